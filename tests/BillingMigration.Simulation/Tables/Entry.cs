namespace BillingMigration.Simulation;

/// <summary>An item of a table or an index, where it stands, and its latest versions for readers that see an earlier state.</summary>
internal sealed class Entry(ItemKey position, ItemKey key)
{
    private List<(long VisibleAt, Item? Image)>? versions;

    /// <summary>The key by which queries and scans order: of the index, or of the table.</summary>
    public ItemKey Position => position;

    public ItemKey Key => key;

    public Item? Current { get; private set; }

    public void Change(Item? image, long visibleAt, long keepSince)
    {
        if (keepSince < long.MaxValue)
        {
            versions ??= [(long.MinValue, Current)];
            versions.Add((visibleAt, image));
            var first = versions.FindLastIndex(v => v.VisibleAt <= keepSince);
            if (first > 0)
            {
                versions.RemoveRange(0, first);
            }
        }

        Current = image;
    }

    /// <summary>The image that a reader sees who reads the state of an instant.</summary>
    public Item? At(long instant)
    {
        if (versions is null)
        {
            return Current;
        }

        for (var i = versions.Count - 1; i > 0; i--)
        {
            if (versions[i].VisibleAt <= instant)
            {
                return versions[i].Image;
            }
        }

        return versions[0].Image;
    }

    public static int Compare(Entry left, Entry right)
    {
        var order = ItemKey.Compare(left.Position, right.Position);
        return order != 0 || ReferenceEquals(left.Key, left.Position) ? order : ItemKey.Compare(left.Key, right.Key);
    }
}
