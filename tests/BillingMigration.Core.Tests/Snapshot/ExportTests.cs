using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using SampleBilling;

namespace BillingMigration.Tests.Snapshot;

/// <summary>The export from real servers into DynamoDB Local, compared item for item by code of its own.</summary>
public sealed class ExportTests(TestServers servers)
{
    private static readonly Progress<SnapshotProgress> Silent = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_row_becomes_its_item(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, 5_000, 1, cancellationToken: Cancel);
        await using var migration = SampleMigration.Create(database.ConnectionString, (await servers.DynamoDbAsync()).Endpoint);
        await migration.InitializeAsync();

        await using var session = await migration.ConnectAsync();
        var result = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(Silent, Cancel);

        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete, 5_000L), (result.Outcome, result.RunState, result.Items));
        var comparison = await SampleComparison.CompareAsync(database.ConnectionString, migration.Client, migration.Table);
        Assert.Empty(comparison.Differences);
        Assert.Equal((5_000L, 5_000L), (comparison.Rows, comparison.Items));
    }
}
