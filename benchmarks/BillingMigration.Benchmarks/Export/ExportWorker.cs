using BillingMigration.Snapshot;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Export;

/// <summary>One export of the charges, as a user's PowerShell runs it, in a process that does nothing else.</summary>
internal static class ExportWorker
{
    public const string Entity = "CHARGE";

    public static async Task RunAsync(string source, Uri endpoint, string table, CancellationToken cancellationToken)
    {
        await using var migration = Migration(source, endpoint, table);
        var result = await ExportAsync(migration, cancellationToken);
        ProcessFigures.OfThisProcess(result.Items).Print();
    }

    public static SampleMigration Migration(string source, Uri endpoint, string table)
    {
        var migration = SampleMigration.Create(source, endpoint);
        migration.Definition = migration.Definition with { Target = migration.Definition.Target with { Table = table } };
        return migration;
    }

    public static async Task<SnapshotResult> ExportAsync(SampleMigration migration, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var result = await new SnapshotExporter(session, new SnapshotOptions { Entities = [Entity] }).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        return result.Outcome == SnapshotOutcome.Complete ? result : throw new InvalidOperationException($"The export ended as {result.Outcome}.");
    }
}
