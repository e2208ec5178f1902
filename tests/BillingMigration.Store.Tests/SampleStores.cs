using System.Globalization;
using BillingMigration.Snapshot;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Store.Tests;

public enum Backend
{
    MySql,
    MariaDb,
    DynamoDb,
}

/// <summary>The same sample database on MySQL, on MariaDB and, exported, on DynamoDB, for tests that only read.</summary>
public sealed class SampleStores : IAsyncDisposable
{
    public const int Rows = 6_000;

    private readonly Lazy<Task<(TestDatabase Database, SampleMigration Migration)>> mySql, mariaDb;

    public SampleStores()
    {
        mySql = new(() => CreateAsync(Servers, mariaDb: false));
        mariaDb = new(() => CreateAsync(Servers, mariaDb: true));
    }

    public TestServers Servers { get; } = new();

    internal FencedServers Fenced { get; } = new();

    /// <summary>Indexes show all that was written so far, as they do after a while, and as a switch waits for it.</summary>
    public async Task CatchUpAsync() => await (await Servers.DynamoDbAsync()).CatchUpAsync();

    public async Task<TestDatabase> SourceAsync() => (await mySql.Value).Database;

    public static TheoryData<Backend> Backends { get; } = [.. Enum.GetValues<Backend>()];

    /// <summary>A proxy in front of DynamoDB.</summary>
    public async Task<FaultProxy> DynamoDbProxyAsync()
    {
        var endpoint = (await Servers.DynamoDbAsync()).Endpoint;
        return FaultProxy.Start(endpoint.Host, endpoint.Port, ProxiedProtocol.Http);
    }

    /// <summary>Rows of a SELECT on the source, their columns joined by <c>|</c>.</summary>
    public async Task<List<string>> SelectAsync(string sql)
    {
        await using var connection = await (await SourceAsync()).OpenAsync();
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            var values = new object[reader.FieldCount];
            reader.GetValues(values);
            rows.Add(string.Join('|', values.Select(v => v is DBNull ? "NULL" : Convert.ToString(v, CultureInfo.InvariantCulture))));
        }

        return rows;
    }

    /// <summary>The migration of a backend; that of DynamoDB comes from MySQL.</summary>
    public async Task<SampleMigration> MigrationAsync(Backend backend) => (await (backend == Backend.MariaDb ? mariaDb : mySql).Value).Migration;

    /// <summary>The way to a migration's source as root.</summary>
    public static string SourceOf(SampleMigration migration) => new MySqlConnectionStringBuilder
    {
        Server = migration.Definition.Source.Host, Port = (uint)migration.Definition.Source.Port, UserID = migration.Credential.UserName, Password = migration.Credential.Password,
        SslMode = MySqlSslMode.None, AllowPublicKeyRetrieval = true,
    }.ConnectionString;

    public async Task<BillingStore> OpenAsync(Backend backend)
    {
        var migration = await MigrationAsync(backend);
        return backend == Backend.DynamoDb
            ? await OpenDynamoDbAsync(migration)
            : await MySqlBillingStore.OpenAsync(migration.Definition, migration.Credential, TimeProvider.System, CancellationToken.None);
    }

    public async Task<DynamoDbBillingStore> OpenDynamoDbAsync() => await OpenDynamoDbAsync((await mySql.Value).Migration);

    public async ValueTask DisposeAsync()
    {
        foreach (var shop in new[] { mySql, mariaDb }.Where(s => s.IsValueCreated && s.Value.IsCompletedSuccessfully))
        {
            var (database, migration) = await shop.Value;
            await migration.DropAsync();
            await migration.DisposeAsync();
            await database.DisposeAsync();
        }

        await Fenced.DisposeAsync();
        await Servers.DisposeAsync();
    }

    private static Task<DynamoDbBillingStore> OpenDynamoDbAsync(SampleMigration migration) =>
        DynamoDbBillingStore.OpenAsync(migration.Definition, SampleMigration.Access, TimeProvider.System, CancellationToken.None);

    private static async Task<(TestDatabase, SampleMigration)> CreateAsync(TestServers servers, bool mariaDb)
    {
        var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, Rows, seed: 7);
        var migration = SampleMigration.Create(database.ConnectionString, (await servers.DynamoDbAsync()).Endpoint);
        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        var result = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), CancellationToken.None);
        await StoreSchema.SaveAsync(session, CancellationToken.None);
        await (await servers.DynamoDbAsync()).CatchUpAsync();
        return result.Outcome == SnapshotOutcome.Complete ? (database, migration) : throw new InvalidOperationException($"The export ended as {result.Outcome}.");
    }
}
