using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>One export, as a user's command runs it: <c>items N</c>, <c>ended RUNSTATE</c>.</summary>
internal static class ExportWorker
{
    public static Task<int> RunAsync(string[] args) => Worker.RunAsync(SampleMigration.Create, args, async (session, itemsPerSecond) =>
    {
        var options = new SnapshotOptions { ItemsPerSecond = double.Parse(itemsPerSecond, CultureInfo.InvariantCulture) };
        var progress = new Worker.Lines<SnapshotProgress>(p => string.Create(CultureInfo.InvariantCulture, $"items {p.Items}"));
        var result = await new SnapshotExporter(session, options).RunAsync(progress, CancellationToken.None);
        Worker.Say($"ended {result.RunState}");
        return result is { Outcome: SnapshotOutcome.Complete, RunState: SnapshotState.Complete };
    });
}
