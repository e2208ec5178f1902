using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Benchmarks.Sync;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Target;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using SampleBilling;

namespace BillingMigration.Benchmarks.Store;

/// <summary>How long the calls of an application take on the source and on the table, side by side; see <c>docs/performance.md</c>.</summary>
internal static class StoreBenchmark
{
    private const int Rows = 20_000;
    private const int FirstAccount = 900_001;
    private const int Counted = 20;

    private static readonly int[] Clients = [1, 16, 64];
    private static readonly int[] Sizes = [10, 1_000, 100_000];
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    /// <summary>Accounts of their own, so that clients that write do not wait for each other; and large ones.</summary>
    private static readonly string Setup = $"""
        SET SESSION cte_max_recursion_depth = 1000000;
        INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at)
          WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {Sizes.Length - 1}) SELECT {FirstAccount} + n, 1, CONCAT('SIZE-', n), 'EUR', 1, '2026-01-01' FROM r;
        INSERT INTO charge (account_id, charge_type, description, amount, tax_amount, charged_at)
          WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {Sizes.Sum() - 1})
          SELECT {FirstAccount} + (n >= {Sizes[0]}) + (n >= {Sizes[0] + Sizes[1]}), 'USAGE', CONCAT('call number ', n), n * 0.01, n * 0.0019, '2026-01-15' + INTERVAL n SECOND FROM r;
        """;

    /// <returns>True: there is no bar but that everything is answered.</returns>
    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var report = new SyncReport("./build.sh bench store");
        Console.WriteLine("Starting MySQL and DynamoDB Local, and filling both.");
        await using var server = await MySqlServer.StartAsync("--innodb-buffer-pool-size=512M");
        await using var local = await DynamoDbLocalServer.StartAsync();
        await using var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, Rows, seed: 1, cancellationToken: cancellationToken);
        await database.ExecuteAsync(Setup);
        await using var migration = ExportWorker.Migration(database.ConnectionString, local.Endpoint, $"store-{Environment.ProcessId}");
        await BenchmarkTables.CreateAsync(migration, indexed: true, cancellationToken);
        await SyncWorker.ExportAsync(migration, cancellationToken);
        await using (var session = await migration.ConnectAsync())
        {
            await StoreSchema.SaveAsync(session, cancellationToken);
        }

        await using var proxy = FaultProxy.Start(local.Endpoint.Host, local.Endpoint.Port, ProxiedProtocol.Http);
        await using (var counted = await DynamoDbBillingStore.OpenAsync(migration.Definition, SampleMigration.Access with { EndpointUrl = proxy.Url }, TimeProvider.System, cancellationToken))
        {
            foreach (var call in StoreCalls.All)
            {
                await call.RunAsync(counted, 0, cancellationToken);
                var before = proxy.Requests;
                for (var i = 1; i <= Counted; i++)
                {
                    await call.RunAsync(counted, i, cancellationToken);
                }

                report.Set($"{call.Name}_requests", (proxy.Requests - before) / (double)Counted, "requests to DynamoDB", true);
            }
        }

        await using var mySql = await MySqlBillingStore.OpenAsync(migration.Definition, migration.Credential, TimeProvider.System, cancellationToken);
        await using var dynamoDb = await DynamoDbBillingStore.OpenAsync(migration.Definition, SampleMigration.Access, TimeProvider.System, cancellationToken);
        foreach (var (name, store) in new (string, IBillingStore)[] { ("mysql", mySql), ("dynamodb", dynamoDb) })
        {
            foreach (var call in StoreCalls.All)
            {
                foreach (var clients in Clients)
                {
                    await MeasureAsync(report, name, store, call, clients, cancellationToken);
                }
            }

            for (var i = 0; i < Sizes.Length; i++)
            {
                await WholeAccountAsync(report, name, store, FirstAccount + i, Sizes[i], cancellationToken);
            }
        }

        for (var i = 0; i < Sizes.Length; i++)
        {
            await BareAsync(report, migration, FirstAccount + i, Sizes[i], cancellationToken);
        }

        await BenchmarkTables.DeleteAsync(migration);
        return report.Finish(Repository.PathOf("artifacts", "bench", "store.json"));
    }

    private static async Task MeasureAsync(SyncReport report, string backend, IBillingStore store, StoreCall call, int clients, CancellationToken cancellationToken)
    {
        // Code is compiled and connections are open before anything is measured.
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => call.RunAsync(store, client, cancellationToken)));
        var all = new ConcurrentBag<double>();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(
            async () =>
            {
                for (var n = client; Stopwatch.GetElapsedTime(started) < Duration; n += clients)
                {
                    var one = Stopwatch.GetTimestamp();
                    await call.RunAsync(store, n, cancellationToken);
                    all.Add(Stopwatch.GetElapsedTime(one).TotalMilliseconds);
                }
            },
            cancellationToken)));
        var sorted = all.Order().ToList();
        var (middle, slow, rate) = (SyncReport.Percentile(sorted, 0.5), SyncReport.Percentile(sorted, 0.99), sorted.Count / Stopwatch.GetElapsedTime(started).TotalSeconds);
        report.Note(string.Create(CultureInfo.InvariantCulture, $"  {backend,-9}{call.Name,-18}{clients,3} clients: p50 {middle,8:N1} ms, p99 {slow,8:N1} ms, {rate,7:N0} calls a second"));
        report.Set($"{call.Name}_{backend}_{clients}_p50", middle, "ms", true);
        report.Set($"{call.Name}_{backend}_{clients}_p99", slow, "ms", true);
    }

    /// <summary>The limit of an account's read: its pages as the SDK gets them, and nothing made of them.</summary>
    private static async Task BareAsync(SyncReport report, SampleMigration migration, long account, int charges, CancellationToken cancellationToken)
    {
        var request = new QueryRequest
        {
            TableName = migration.Table,
            ConsistentRead = true,
            KeyConditionExpression = "pk = :p AND begins_with(sk, :s)",
            ExpressionAttributeValues = new() { [":p"] = new AttributeValue($"ACCOUNT#{account}"), [":s"] = new AttributeValue("CHARGE#") },
        };
        var started = Stopwatch.GetTimestamp();
        var read = 0;
        do
        {
            var page = await migration.Client.QueryAsync(request, cancellationToken);
            read += page.Items.Count;
            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (request.ExclusiveStartKey is { Count: > 0 });
        var milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        report.Note(string.Create(CultureInfo.InvariantCulture, $"  bare     account with {read:N0} charges: {milliseconds:N0} ms"));
        report.Set($"account_{charges}_bare", milliseconds, "ms", read >= charges);
    }

    private static async Task WholeAccountAsync(SyncReport report, string backend, IBillingStore store, long account, int charges, CancellationToken cancellationToken)
    {
        var query = new RecordQuery(BillingEntity.Charge).Where("account_id", account);
        var started = Stopwatch.GetTimestamp();
        var read = 0;
        await foreach (var _ in store.QueryAsync(query, cancellationToken))
        {
            read++;
        }

        var milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        report.Note(string.Create(CultureInfo.InvariantCulture, $"  {backend,-9}account with {read:N0} charges: {milliseconds:N0} ms"));
        report.Set($"account_{charges}_{backend}", milliseconds, "ms", read >= charges);
    }
}
