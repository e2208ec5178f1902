using BillingMigration.Control;

namespace BillingMigration.Snapshot;

/// <summary>
/// The leases of a run that is about to be replaced, held until the new run stands. A worker of the old run that went on writing could put a row
/// that it read before the new run's start position over the newer one of the new run, and the change stream would not bring it back. Whoever follows the old run's changes, or compares, ends too.
/// </summary>
internal sealed class OldWorkers : IAsyncDisposable
{
    private const int AtOnce = 16;

    private readonly List<Lease> leases = [];

    private OldWorkers()
    {
    }

    /// <param name="run">The run to be replaced; null: there is none.</param>
    /// <param name="own">The job whose lease is held already.</param>
    /// <exception cref="MigrationException"><c>LeaseHeld</c>: a worker is still at work.</exception>
    public static async Task<OldWorkers> ShutOutAsync(ControlTable control, SnapshotRun? run, string own, CancellationToken cancellationToken)
    {
        var old = new OldWorkers();
        if (run is null)
        {
            return old;
        }

        try
        {
            var jobs = Enumerable.Range(0, run.ShardCount).Select(i => Jobs.Export(i, run.ShardCount)).Where(j => j != own).Concat([Jobs.Sync, Jobs.Integrity]);
            await Parallel.ForEachAsync(jobs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (each, ct) =>
            {
                var lease = await control.AcquireLeaseAsync(each, ct);
                lock (old.leases)
                {
                    old.leases.Add(lease);
                }
            });
            return old;
        }
        catch
        {
            await old.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var lease in leases)
        {
            await lease.DisposeAsync();
        }
    }
}
