using BillingMigration.Benchmarks.Export;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>The changes of a migration, as a user's PowerShell follows them, in a process that does nothing else.</summary>
internal static class SyncWorker
{
    /// <param name="follow">Until interrupted; else until it has caught up.</param>
    public static async Task RunAsync(SampleMigration migration, bool follow, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var options = follow ? new SyncOptions { Until = null, Follow = true } : new SyncOptions();
        var progress = new FirstReport();
        try
        {
            var result = await new ChangeFollower(session, options).RunAsync(progress, cancellationToken);
            ProcessFigures.OfThisProcess(result.Inserted + result.Updated + result.Deleted).Print();
        }
        catch (OperationCanceledException) when (follow)
        {
            ProcessFigures.OfThisProcess(progress.Rows).Print();
        }
    }

    public static async Task ExportAsync(SampleMigration migration, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var result = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        if (result.RunState != Control.SnapshotState.Complete)
        {
            throw new InvalidOperationException($"The export ended as {result.Outcome}.");
        }
    }

    /// <summary>Tells the parent that it is under way.</summary>
    private sealed class FirstReport : IProgress<SyncProgress>
    {
        private int told;

        public long Rows { get; private set; }

        public void Report(SyncProgress value)
        {
            Rows = value.Rows;
            if (Interlocked.Exchange(ref told, 1) == 0)
            {
                Console.WriteLine("following");
            }
        }
    }
}
