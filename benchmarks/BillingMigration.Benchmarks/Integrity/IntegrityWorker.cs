using BillingMigration.Benchmarks.Export;
using BillingMigration.Integrity;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Integrity;

/// <summary>One full comparison, as a user's PowerShell runs it, in a process that does nothing else.</summary>
internal static class IntegrityWorker
{
    public static async Task RunAsync(string source, Uri endpoint, string table, CancellationToken cancellationToken)
    {
        await using var migration = ExportWorker.Migration(source, endpoint, table);
        var result = await CompareAsync(migration, cancellationToken);
        ProcessFigures.OfThisProcess(result.Entities.Sum(e => e.Rows)).Print();
    }

    public static async Task<IntegrityResult> CompareAsync(SampleMigration migration, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);
        return result.Passed ? result : throw new InvalidOperationException($"The comparison ended as {result.Outcome}: {result.Reason}");
    }
}
