using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Sync;
using BillingMigration.Testing;
using SampleBilling;

namespace BillingMigration.Store.Tests;

/// <summary>A small sample database and its table, for one test that writes.</summary>
internal sealed class WritableShop(SampleStores stores, TestDatabase database, SampleMigration migration) : IAsyncDisposable
{
    private const int Rows = 120;

    public TestDatabase Database => database;

    public SampleMigration Migration => migration;

    /// <param name="sql">Run before the export.</param>
    /// <param name="with">Changes the definition.</param>
    /// <param name="encrypted">All sensitive columns are encrypted.</param>
    public static async Task<WritableShop> CreateAsync(SampleStores stores, bool mariaDb, string? sql = null, bool encrypted = false, Func<MigrationDefinition, MigrationDefinition>? with = null)
    {
        var database = await (await stores.Servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, Rows, seed: 3);
        if (sql is not null)
        {
            await database.ExecuteAsync(sql);
        }

        var migration = SampleMigration.Create(database.ConnectionString, (await stores.Servers.DynamoDbAsync()).Endpoint);
        migration.Definition = with?.Invoke(migration.Definition) ?? migration.Definition;
        if (encrypted)
        {
            await migration.EncryptAsync(await stores.Servers.KmsAsync());
        }

        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), CancellationToken.None);
        await StoreSchema.SaveAsync(session, CancellationToken.None);
        await stores.CatchUpAsync();
        return new WritableShop(stores, database, migration);
    }

    public async Task<BillingStore> OpenAsync(Backend backend, TimeProvider? time = null) => backend == Backend.DynamoDb
        ? await OpenDynamoDbAsync(time)
        : await MySqlBillingStore.OpenAsync(migration.Definition, migration.Credential, time ?? TimeProvider.System, CancellationToken.None);

    /// <param name="through">Another address of DynamoDB.</param>
    public Task<DynamoDbBillingStore> OpenDynamoDbAsync(TimeProvider? time = null, Uri? through = null) => DynamoDbBillingStore.OpenAsync(
        migration.Definition, SampleMigration.Access with { EndpointUrl = through }, new StoreTimes { IntentPeriod = TimeSpan.FromDays(1) }, time ?? TimeProvider.System, CancellationToken.None);

    /// <summary>The source's primary keys, by entity.</summary>
    public async Task<Dictionary<string, List<long>>> IdsAsync()
    {
        var ids = new Dictionary<string, List<long>>();
        await using var connection = await database.OpenAsync();
        foreach (var (entity, i) in migration.Definition.Entities.Select((e, i) => (e, i)))
        {
            await using var command = new MySqlConnector.MySqlCommand($"SELECT {RandomSteps.Keys[i]} FROM {entity.Table}", connection);
            await using var reader = await command.ExecuteReaderAsync();
            ids[entity.Entity] = [];
            while (await reader.ReadAsync())
            {
                ids[entity.Entity].Add(reader.GetInt64(0));
            }
        }

        return ids;
    }

    /// <param name="isOfSwitch">The test is the switch: calls wait.</param>
    public async Task SyncAsync(bool isOfSwitch = false)
    {
        await using var session = await migration.ConnectAsync();
        var result = await new ChangeFollower(session, new SyncOptions { IsOfSwitch = isOfSwitch }).RunAsync(new Progress<SyncProgress>(), CancellationToken.None);
        Assert.Equal(SyncState.Consistent, result.State);
        await stores.CatchUpAsync();
    }

    /// <summary>Changes the route from state to state, without the care of a switch: nobody calls meanwhile.</summary>
    public async Task RouteAsync(params RouteState[] states)
    {
        await using var session = await migration.ConnectAsync();
        await using var lease = await session.Control.AcquireLeaseAsync("SWITCH", CancellationToken.None);
        foreach (var state in states)
        {
            await MoveAsync(session, lease, state);
        }
    }

    /// <returns>The route as it is then.</returns>
    public static async Task<Route> MoveAsync(MigrationSession session, Lease lease, RouteState state)
    {
        var to = (await session.Control.FindRouteAsync(CancellationToken.None)).To(state, "tester", "a test", DateTimeOffset.UnixEpoch);
        await session.Control.ChangeRouteAsync(lease, to, CancellationToken.None);
        return to;
    }

    /// <summary>Every item of the table, by its key; encrypted attributes as what they are opened.</summary>
    public async Task<SortedDictionary<string, string>> ItemsAsync()
    {
        await using var session = await migration.ConnectAsync();
        var cipher = await session.CipherAsync(CancellationToken.None);
        string Shown(Dictionary<string, AttributeValue> item, string name) => item[name] is { B: { } bytes }
            ? Convert.ToHexString(IsEncrypted(item["entity"].S, name) ? Opened(cipher!, item, name) : bytes.ToArray())
            : item[name].S ?? item[name].N;
        var items = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var request = new ScanRequest { TableName = migration.Table, ConsistentRead = true };
        do
        {
            var page = await migration.Client.ScanAsync(request);
            foreach (var item in page.Items)
            {
                items.Add($"{item["pk"].S} {item["sk"].S}", string.Join("; ", item.Keys.Order(StringComparer.Ordinal).Select(name => $"{name}={Shown(item, name)}")));
            }

            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (request.ExclusiveStartKey is { Count: > 0 });
        return items;
    }

    private bool IsEncrypted(string entity, string column) =>
        migration.Definition.Entities.First(e => e.Entity == entity).Columns.TryGetValue(column, out var rule) && rule.Encrypt;

    private static byte[] Opened(AttributeCipher cipher, Dictionary<string, AttributeValue> item, string name) => cipher.TryDecrypt(
        AttributeCipher.PlaceOf(item["entity"].S, name), AttributeCipher.KeyOf(Encoding.UTF8.GetBytes(item["pk"].S), Encoding.UTF8.GetBytes(item["sk"].S)), item[name].B.ToArray())
        ?? throw new InvalidOperationException($"{name} of {item["pk"].S} is not encrypted for its place.");

    public async ValueTask DisposeAsync()
    {
        await migration.DropAsync();
        await migration.DisposeAsync();
        await database.DisposeAsync();
    }
}
