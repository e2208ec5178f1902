using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;

namespace BillingMigration.Torture;

/// <summary>
/// The export as long as it is not complete, then the changes, until it is killed or, when it is the last one, until it has
/// caught up. It connects through the proxies; the last one directly.
/// </summary>
internal static class SyncWorker
{
    public static Task<int> RunAsync(string[] args) => Worker.RunAsync(TrialMigration.Create, args, async (session, mode) =>
    {
        var exported = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Worker.Lines<SnapshotProgress>(p => $"exported {p.Items}"), CancellationToken.None);
        Worker.Say($"snapshot {exported.RunState}");
        var options = mode == "last" ? new SyncOptions() : new SyncOptions { Until = null, Follow = true };
        var result = await new ChangeFollower(session, options).RunAsync(
            new Worker.Lines<SyncProgress>(p => string.Create(CultureInfo.InvariantCulture, $"transactions {p.Transactions} state {p.State}")), CancellationToken.None);
        Worker.Say($"ended {result.State} {result.Position}");
        return result is { Outcome: SyncOutcome.Reached, State: SyncState.Consistent };
    });
}
