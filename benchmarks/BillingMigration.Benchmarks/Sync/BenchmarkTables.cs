using BillingMigration.Target;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>Billing and control table of a measurement: without a stream, with which DynamoDB Local becomes slower with every record, and free to be deleted.</summary>
internal static class BenchmarkTables
{
    /// <param name="indexed">Without its indexes the table takes items much faster, and its items are the same.</param>
    public static async Task CreateAsync(SampleMigration migration, bool indexed, CancellationToken cancellationToken)
    {
        var target = migration.Definition.Target;
        foreach (var spec in new[] { TableSpec.Billing(target) with { Indexes = indexed ? migration.Definition.Indexes : [], Stream = false }, TableSpec.Control(target) })
        {
            var request = spec.ToRequest();
            request.DeletionProtectionEnabled = false;
            await migration.Client.CreateTableAsync(request, cancellationToken);
        }
    }

    public static async Task DeleteAsync(SampleMigration migration)
    {
        await migration.Client.DeleteTableAsync(migration.Table);
        await migration.Client.DeleteTableAsync(migration.Definition.Target.ControlTableName);
    }
}
