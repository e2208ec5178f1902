namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What a large unit takes for itself before it is decided: every partition that it writes to. So nothing that it was decided by changes any more,
/// what is decided meets nobody, and two large units wait for each other only while either may still be undone.
/// </summary>
/// <param name="side">What it works on.</param>
/// <param name="intent">Of the unit.</param>
/// <param name="log">Keeps it.</param>
/// <param name="sender">Of the unit's parts.</param>
internal sealed class Holding(TableSide side, Intent intent, IntentLog log, TransactionSender sender)
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(5);

    private readonly HashSet<string> held = new(StringComparer.Ordinal);
    private readonly HashSet<string> wanted = new(StringComparer.Ordinal);

    /// <summary>The unit was begun with it.</summary>
    public void Has(string partition) => held.Add(partition);

    /// <summary>It is taken with the next ones.</summary>
    /// <exception cref="PartitionHeldException">Another large unit is at work there.</exception>
    public Task WantAsync(string partition) =>
        !held.Contains(partition) && wanted.Add(partition) && wanted.Count == IntentLog.MostHeld ? TakeAsync() : Task.CompletedTask;

    /// <summary>Who is at work is not gone, however long it takes until a part is done.</summary>
    public async Task<T> WhileAsync<T>(Func<Task<T>> work)
    {
        var working = work();
        while (!working.IsCompleted && await Task.WhenAny(working, Task.Delay(Beat, side.Time)) != working)
        {
            await Task.WhenAny(working, BeatAsync());
        }

        return await working;
    }

    private async Task BeatAsync()
    {
        try
        {
            await SendAsync([]);
        }
        catch (Exception e) when (e is StoreException || Unsent.Passes(e))
        {
            // The work finds out by itself whose the unit is by now.
        }
    }

    /// <summary>Looks again and again, until there was nothing more to take: what was read before a partition was taken may have changed.</summary>
    /// <param name="look">Wants what it meets.</param>
    /// <exception cref="PartitionHeldException">Another large unit is at work there.</exception>
    public async Task<T> WholeAsync<T>(Func<Task<T>> look)
    {
        while (true)
        {
            var before = held.Count;
            var seen = await WhileAsync(look);
            await TakeAsync();
            if (held.Count == before)
            {
                return seen;
            }
        }
    }

    private async Task TakeAsync()
    {
        if (wanted.Count > 0)
        {
            await SendAsync(wanted);
            held.UnionWith(wanted);
            wanted.Clear();
        }
    }

    private async Task SendAsync(IReadOnlyCollection<string> partitions)
    {
        UnitParts parts;
        do
        {
            parts = new UnitParts(side.Model.Definition, side.Keys);
            log.GoOn(parts, intent, held: partitions);
        }
        while (!await IntentWork.SendAsync(sender, parts));
    }
}
