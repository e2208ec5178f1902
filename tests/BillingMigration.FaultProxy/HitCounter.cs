namespace BillingMigration.Testing.Faults;

/// <summary>Counts, and tells when a count is reached.</summary>
public sealed class HitCounter
{
    private readonly object gate = new();
    private readonly List<(long Count, TaskCompletionSource Reached)> waiting = [];
    private long count;

    public long Count => Interlocked.Read(ref count);

    /// <summary>Completes when the count is that high.</summary>
    public Task ReachesAsync(long wanted)
    {
        lock (gate)
        {
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting.Add((wanted, reached));
            Tell();
            return reached.Task;
        }
    }

    internal void Add()
    {
        lock (gate)
        {
            count++;
            Tell();
        }
    }

    private void Tell()
    {
        foreach (var (_, reached) in waiting.Where(w => w.Count <= count))
        {
            reached.TrySetResult();
        }

        waiting.RemoveAll(w => w.Count <= count);
    }
}
