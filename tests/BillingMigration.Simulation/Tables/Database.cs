using System.Runtime.ExceptionServices;
using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>The tables, and the one way in which items change.</summary>
internal sealed class Database(VirtualTime time, Chance chance, SimulationOptions options)
{
    private readonly Dictionary<string, Table> tables = new(StringComparer.Ordinal);
    private readonly long keepTicks = (options.StaleRead + options.TornRead + options.Work).Ticks;
    private long commits;

    public event Action<Commit>? Committed;

    public Dictionary<string, Table> Tables => tables;

    public ExpressionCache Expressions { get; } = new();

    public Table Find(JsonElement request) => Find(request.Required("TableName"u8).GetString()!);

    public Table Find(string name) => tables.TryGetValue(name, out var table) ? table
        : throw new ServiceError("ResourceNotFoundException", "Requested resource not found");

    /// <summary>Changes items at this instant. Readers that are not serializable may see some of them a little later.</summary>
    /// <returns>When the last of them is seen by everyone.</returns>
    public TimeSpan Commit(SimulatedRequest request, IReadOnlyList<(Table Table, ItemKey Key, Item? After)> writes, bool isTransaction)
    {
        var changes = new List<ItemChange>(writes.Count);
        var last = time.Now;
        foreach (var (table, key, after) in writes)
        {
            var before = table.Current(key);
            if (before is null ? after is null : before.Equals(after))
            {
                continue;
            }

            var visibleAt = time.Now + (isTransaction ? chance.Span(options.TornRead).Ticks : 0);
            last = Math.Max(last, visibleAt);
            table.Entries.Put(key, key, after, visibleAt, keepTicks == 0 ? long.MaxValue : time.Now - keepTicks);
            Spread(table, key, after);
            changes.Add(new ItemChange(table.Schema.Name, key, before, after));
        }

        if (changes.Count > 0)
        {
            commits++;
            Tell(new Commit(commits, time.GetUtcNow(), request.Caller, request.Operation, changes));
        }

        return TimeSpan.FromTicks(last - time.Now);
    }

    /// <summary>What a listener throws ends the run; it is no error of the request, which would be answered.</summary>
    private void Tell(Commit commit)
    {
        try
        {
            Committed?.Invoke(commit);
        }
        catch (Exception error)
        {
            var thrown = ExceptionDispatchInfo.Capture(error);
            time.Schedule(TimeSpan.Zero, thrown.Throw);
        }
    }

    private void Spread(Table table, ItemKey key, Item? after)
    {
        foreach (var index in table.Indexes.Values)
        {
            if (options.IndexDelay == TimeSpan.Zero)
            {
                index.Apply(key, after, time.Now);
            }
            else
            {
                index.ApplyLater(key, after, options.IndexDelayLeast + chance.Span(options.IndexDelay - options.IndexDelayLeast), time);
            }
        }
    }
}

/// <summary>Everything random of a run, from one seed, drawn on the simulation's thread only.</summary>
internal sealed class Chance(int seed)
{
    private readonly Random random = new(seed);

    public bool Of(double probability) => probability > 0 && random.NextDouble() < probability;

    public int Below(int limit) => random.Next(limit);

    /// <summary>A span up to a bound, more often a short one.</summary>
    public TimeSpan Span(TimeSpan most)
    {
        if (most <= TimeSpan.Zero)
        {
            return TimeSpan.Zero;
        }

        var draw = random.NextDouble();
        return TimeSpan.FromTicks((long)(most.Ticks * draw * draw));
    }

    /// <summary>An instant of a span of time, both ends included.</summary>
    public long Instant(long from, long to) => to <= from ? to : random.NextInt64(from, to + 1);
}
