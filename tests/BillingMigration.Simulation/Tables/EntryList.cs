namespace BillingMigration.Simulation;

/// <summary>
/// The entries of a table or an index in the order of a scan: by the hash of the partition, the partition key and the sort key.
/// Entries of deleted items stay for as long as a reader may still see the item.
/// </summary>
internal sealed class EntryList(bool isIndex)
{
    private readonly List<Entry> ordered = [];
    private readonly Dictionary<(ItemKey Key, ItemKey? Position), Entry> byKey = [];
    private readonly Queue<(long Since, Entry Entry)> deleted = new();

    public IReadOnlyList<Entry> Ordered => ordered;

    public Entry? Find(ItemKey key) => byKey.GetValueOrDefault((key, null));

    public void Put(ItemKey position, ItemKey key, Item? image, long visibleAt, long keepSince)
    {
        Purge(keepSince);
        var id = (key, isIndex ? position : null);
        if (!byKey.TryGetValue(id, out var entry))
        {
            if (image is null)
            {
                return;
            }

            entry = new Entry(position, key);
            byKey.Add(id, entry);
            ordered.Insert(~ordered.BinarySearch(entry, EntryOrder.Instance), entry);
        }

        entry.Change(image, visibleAt, keepSince);
        if (image is not null)
        {
            return;
        }

        if (keepSince == long.MaxValue)
        {
            Remove(entry);
        }
        else
        {
            deleted.Enqueue((visibleAt, entry));
        }
    }

    /// <summary>The place of the first entry that is not before a position.</summary>
    public int Seek(Func<Entry, bool> isBefore)
    {
        var (low, high) = (0, ordered.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = isBefore(ordered[middle]) ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private void Purge(long keepSince)
    {
        while (deleted.TryPeek(out var first) && first.Since < keepSince)
        {
            deleted.Dequeue();
            if (first.Entry.Current is null && !deleted.Any(d => d.Entry == first.Entry))
            {
                Remove(first.Entry);
            }
        }
    }

    private void Remove(Entry entry)
    {
        byKey.Remove((entry.Key, isIndex ? entry.Position : null));
        var place = ordered.BinarySearch(entry, EntryOrder.Instance);
        if (place >= 0)
        {
            ordered.RemoveAt(place);
        }
    }

    private sealed class EntryOrder : IComparer<Entry>
    {
        public static readonly EntryOrder Instance = new();

        public int Compare(Entry? x, Entry? y) => Entry.Compare(x!, y!);
    }
}
