namespace BillingMigration.Simulation;

/// <summary>The items of one table, its indexes, and the locks of transactions that are under way.</summary>
internal sealed class Table
{
    private readonly Dictionary<ItemKey, object> locks = [];

    public Table(TableSchema schema, DateTimeOffset created)
    {
        (Schema, Created) = (schema, created);
        Indexes = schema.Indexes.ToDictionary(i => i.Name, i => new TableIndex(i), StringComparer.Ordinal);
    }

    public TableSchema Schema { get; }

    public DateTimeOffset Created { get; }

    public EntryList Entries { get; } = new(isIndex: false);

    public Dictionary<string, TableIndex> Indexes { get; }

    public string? TimeToLiveAttribute { get; set; }

    public Item? Current(ItemKey key) => Entries.Find(key)?.Current;

    public bool IsLocked(ItemKey key) => locks.ContainsKey(key);

    public void Lock(ItemKey key, object owner) => locks[key] = owner;

    public void Unlock(ItemKey key, object owner)
    {
        if (locks.TryGetValue(key, out var holder) && holder == owner)
        {
            locks.Remove(key);
        }
    }
}

/// <summary>One index, which changes reach after a delay: those of one item in order, those of different items in any order.</summary>
internal sealed class TableIndex(IndexSchema schema)
{
    private readonly Dictionary<ItemKey, long> lastArrival = [];
    private readonly Dictionary<ItemKey, ItemKey> positions = [];
    private readonly Dictionary<ItemKey, Item?> onTheWay = [];
    private int caughtUp;

    public IndexSchema Schema => schema;

    public EntryList Entries { get; } = new(isIndex: true);

    public int Behind { get; private set; }

    public void Apply(ItemKey key, Item? image, long now)
    {
        var projected = schema.Project(image);
        var position = projected is null ? null : schema.KeyOf(projected);
        if (positions.TryGetValue(key, out var old) && !old.Equals(position))
        {
            Entries.Put(old, key, null, now, long.MaxValue);
            positions.Remove(key);
        }

        if (position is not null)
        {
            positions[key] = position;
            Entries.Put(position, key, projected, now, long.MaxValue);
        }
    }

    /// <summary>Sends a change on its way to the index.</summary>
    public void ApplyLater(ItemKey key, Item? image, TimeSpan delay, VirtualTime time)
    {
        var arrival = Math.Max(time.Now + delay.Ticks, lastArrival.GetValueOrDefault(key));
        lastArrival[key] = arrival;
        onTheWay[key] = image;
        Behind++;
        var sent = caughtUp;
        time.Schedule(TimeSpan.FromTicks(arrival - time.Now), () =>
        {
            if (sent != caughtUp)
            {
                return;
            }

            Behind--;
            if (lastArrival.GetValueOrDefault(key) <= time.Now)
            {
                lastArrival.Remove(key);
                onTheWay.Remove(key);
            }

            Apply(key, image, time.Now);
        });
    }

    /// <summary>What is on its way arrives at once.</summary>
    public void CatchUp(long now)
    {
        caughtUp++;
        Behind = 0;
        foreach (var (key, image) in onTheWay)
        {
            Apply(key, image, now);
        }

        lastArrival.Clear();
        onTheWay.Clear();
    }
}
