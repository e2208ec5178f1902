using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Store.Tests;

/// <summary>Tables of a test's own on a server, and their items.</summary>
internal sealed class GeneratedShop(TestDatabase database, SampleMigration migration) : IAsyncDisposable
{
    public TestDatabase Database => database;

    public SampleMigration Migration => migration;

    /// <param name="sql">Makes the tables and their rows.</param>
    /// <param name="indexes">Names of the definition's indexes.</param>
    /// <param name="entities">JSON objects, joined by commas.</param>
    public static async Task<GeneratedShop> CreateAsync(SampleStores stores, bool mariaDb, string sql, string[] indexes, string entities, string databaseOptions = "CHARACTER SET utf8mb4")
    {
        var database = await (await stores.Servers.SourceAsync(mariaDb)).CreateDatabaseAsync(databaseOptions);
        await database.ExecuteAsync(sql);
        await using var sample = SampleMigration.Create(database.ConnectionString, (await stores.Servers.DynamoDbAsync()).Endpoint);
        var source = new MySqlConnectionStringBuilder(database.ConnectionString);
        var definition = MigrationDefinitionFile.Parse(
                $$"""
                {
                  "name": "generated",
                  "source": { "host": "{{source.Server}}", "port": {{source.Port}}, "database": "{{source.Database}}", "tls": { "mode": "None" } },
                  "target": { "region": "eu-central-1", "endpointUrl": "{{sample.Definition.Target.EndpointUrl}}", "table": "{{sample.Table}}" },
                  "indexes": [{{string.Join(", ", indexes.Select(i => $$"""{ "name": "{{i}}" }"""))}}],
                  "entities": [{{entities}}]
                }
                """,
                null);
        return await ExportAsync(database, new SampleMigration(definition, sample.Credential));
    }

    /// <param name="json">A whole definition; its source and its target become those of the test.</param>
    public static async Task<GeneratedShop> OfDefinitionAsync(SampleStores stores, bool mariaDb, string sql, string json)
    {
        var database = await (await stores.Servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(sql);
        await using var sample = SampleMigration.Create(database.ConnectionString, (await stores.Servers.DynamoDbAsync()).Endpoint);
        var definition = MigrationDefinitionFile.Parse(json, null) with { Source = sample.Definition.Source, Target = sample.Definition.Target };
        return await ExportAsync(database, new SampleMigration(definition, sample.Credential));
    }

    private static async Task<GeneratedShop> ExportAsync(TestDatabase database, SampleMigration migration)
    {
        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        var result = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), CancellationToken.None);
        Assert.Equal((SnapshotOutcome.Complete, 0), (result.Outcome, result.Refused.Length));
        await StoreSchema.SaveAsync(session, CancellationToken.None);
        return new GeneratedShop(database, migration);
    }

    /// <param name="definition">Another one of the same table; null: that of the shop.</param>
    public async Task<BillingStore> OpenAsync(bool dynamoDb, MigrationDefinition? definition = null) => dynamoDb
        ? await DynamoDbBillingStore.OpenAsync(
            definition ?? migration.Definition, SampleMigration.Access, new StoreTimes { IntentPeriod = Timeout.InfiniteTimeSpan }, TimeProvider.System, CancellationToken.None)
        : await MySqlBillingStore.OpenAsync(definition ?? migration.Definition, migration.Credential, TimeProvider.System, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await migration.DropAsync();
        await migration.DisposeAsync();
        await database.DisposeAsync();
    }
}
