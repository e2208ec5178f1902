using System.Collections.Concurrent;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Store.Tests;

/// <summary>A migrated sample on a source server that no other test uses meanwhile, so that it may be fenced, and applications with an account that may do nothing to the server.</summary>
internal sealed class SwitchShop(
    FencedServers servers, (DynamoDbLocalServer Server, int Tables) dynamoDb, TestDatabase database, SampleMigration migration, SourceCredential application) : IAsyncDisposable
{
    private const int Rows = 120;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public TestDatabase Database => database;

    public SampleMigration Migration => migration;

    public Uri DynamoDb => dynamoDb.Server.Endpoint;

    /// <summary>Account of the applications.</summary>
    public SourceCredential Application => application;

    /// <param name="encrypt">All sensitive columns are encrypted, with a key of this KMS.</param>
    public static async Task<SwitchShop> CreateAsync(SampleStores stores, bool mariaDb, Func<MigrationDefinition, MigrationDefinition>? with = null, KmsServer? encrypt = null)
    {
        var server = await stores.Fenced.TakeAsync(mariaDb);
        var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, Rows, seed: 3);
        var application = await database.CreateApplicationAsync();
        var dynamoDb = await stores.Fenced.TakeDynamoDbAsync();
        var migration = SampleMigration.Create(database.ConnectionString, dynamoDb.Server.Endpoint);
        migration.Definition = with?.Invoke(migration.Definition) ?? migration.Definition;
        await (encrypt is null ? Task.CompletedTask : migration.EncryptAsync(encrypt));
        await migration.InitializeAsync(stream: true);
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), Cancel);
        await StoreSchema.SaveAsync(session, Cancel);
        await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), Cancel);
        var shop = new SwitchShop(stores.Fenced, dynamoDb, database, migration, application);
        await shop.RequireEqualAsync();
        return shop;
    }

    public Task<RoutedBillingStore> OpenAsync(RoutingOptions? options = null) =>
        RoutedBillingStore.OpenAsync(migration.Definition, application, SampleMigration.Access, options, TimeProvider.System, Cancel);

    public async Task<SwitchResult> SwitchAsync(RouteState to, Func<SwitchOptions, SwitchOptions>? with = null)
    {
        await using var session = await migration.ConnectAsync();
        var options = new SwitchOptions { To = to, Reason = "a test" };
        return await new BackendSwitch(session, with?.Invoke(options) ?? options).RunAsync(new Progress<SwitchProgress>(), Cancel);
    }

    public static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    /// <summary>Name of the file that the server writes to.</summary>
    public async Task<string> LastBinlogAsync()
    {
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SHOW BINARY LOGS", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        var last = "";
        while (await reader.ReadAsync(Cancel))
        {
            last = reader.GetString(0);
        }

        return last;
    }

    /// <summary>Compares all of both sides.</summary>
    public async Task RequireEqualAsync()
    {
        await using var session = await migration.ConnectAsync();
        var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), Cancel);
        Assert.True(result.Passed, $"{result.Outcome}: {result.Reason} {string.Join("; ", result.Differences.Take(5).Select(d => $"{d.Kind} {d.Entity} {d.Key} {d.PartitionKey} {d.SortKey}"))}");
    }

    public async ValueTask DisposeAsync()
    {
        await migration.DropAsync();
        await migration.DisposeAsync();
        await servers.GiveBackAsync(dynamoDb);
        await servers.GiveBackAsync(database);
    }
}

/// <summary>Clients of one application that post charges to one account, with a moment between two, and know which of them were acknowledged.</summary>
internal sealed class PostingClients : IDisposable
{
    private const int Clients = 8;

    /// <summary>Clients that leave a machine with few processors no time for the sync keep it from ever catching up.</summary>
    private static readonly TimeSpan Thinks = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource stop = new();
    private readonly ConcurrentBag<decimal> acknowledged = [];
    private readonly Task[] running;
    private int posted;

    public PostingClients(RoutedBillingStore store, object account) => running = [.. Enumerable.Range(0, Clients).Select(client => Task.Run(() => PostAsync(store, account, client)))];

    public IEnumerable<decimal> Acknowledged => acknowledged;

    /// <summary>The longest that a call took.</summary>
    public TimeSpan Longest { get; private set; }

    public async Task PostedAsync(int more)
    {
        for (var goal = Volatile.Read(ref posted) + more; Volatile.Read(ref posted) < goal;)
        {
            await Task.WhenAny(Task.WhenAny(running), Task.Delay(10));
            if (Array.Find(running, c => c.IsCompleted) is { } ended)
            {
                await ended;
            }
        }
    }

    public async Task StopAsync()
    {
        await stop.CancelAsync();
        await Task.WhenAll(running);
    }

    public void Dispose() => stop.Dispose();

    private async Task PostAsync(RoutedBillingStore store, object account, int client)
    {
        for (var i = 1; !stop.IsCancellationRequested; i++)
        {
            var amount = (decimal)((client * 100_000) + i);
            var began = TimeProvider.System.GetTimestamp();
            await store.PostChargeAsync(SampleRows.Charge(account, amount), null, CancellationToken.None);
            acknowledged.Add(amount);
            Interlocked.Increment(ref posted);
            var took = TimeProvider.System.GetElapsedTime(began);
            await Task.Delay(Thinks, CancellationToken.None);
            lock (running)
            {
                Longest = took > Longest ? took : Longest;
            }
        }
    }
}
