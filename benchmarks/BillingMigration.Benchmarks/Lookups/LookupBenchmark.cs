using System.Diagnostics;
using System.Globalization;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Benchmarks.Sync;
using BillingMigration.Sync;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Lookups;

/// <summary>How soon a row's change is in the keys of the rows that look it up, in a table of a million items; see <c>docs/performance.md</c>.</summary>
internal static class LookupBenchmark
{
    private const int Items = 1_000_000;
    private const int BillsPerSecond = 100;
    private const int ChargesPerSecond = 500;

    private static readonly TimeSpan Duration = TimeSpan.FromMinutes(1);

    private const string Local = "dynamodb-local";

    /// <param name="only">Names of sources, none: all; and <c>dynamodb-local</c>.</param>
    /// <returns>True when every bar is held.</returns>
    public static async Task<bool> RunAsync(string[] only, CancellationToken cancellationToken)
    {
        var report = new SyncReport(string.Join(' ', ["./build.sh bench lookups", .. only]));
        Console.WriteLine("Starting DynamoDB Local, and each source in turn.");
        await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
        var names = only.Where(o => o != Local).ToArray();
        foreach (var (name, start) in Sources().Where(s => names.Length == 0 || names.Contains(s.Name)))
        {
            await using var source = await start();
            using var sink = only.Contains(Local) ? null : await SinkProcess.StartAsync(dynamoDb.Endpoint, cancellationToken, "indexed-sink");
            var endpoint = sink?.Endpoint ?? dynamoDb.Endpoint;
            await using var table = await LookupTable.CreateAsync(source, endpoint, Items, cancellationToken);
            await MeasureAsync(name, table, endpoint, report, cancellationToken);
        }

        return report.Finish(Repository.PathOf("artifacts", "bench", "lookups.json"));
    }

    private static IEnumerable<(string Name, Func<Task<SqlServerProcess>> Start)> Sources()
    {
        string[] fast = ["--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=512M"];
        yield return ("mysql", async () => await MySqlServer.StartAsync(fast));
        yield return ("mysql_native_fk", async () => await MySqlServer.StartAsync([.. fast, "--innodb-native-foreign-keys=ON"]));
        yield return ("mariadb", async () => await MariaDbServer.StartAsync([.. fast, "--binlog-row-metadata=FULL"]));
    }

    private static async Task MeasureAsync(string name, LookupTable table, Uri endpoint, SyncReport report, CancellationToken cancellationToken)
    {
        using var worker = Process.Start(ChildProcess.ThisProgram("lookup-worker", table.Database.ConnectionString, endpoint.ToString(), table.Migration.Table))!;
        try
        {
            await worker.StandardOutput.ReadLineAsync(cancellationToken);
            var (lags, bills, charges) = await new LookupTraffic(table).MeasureAsync(BillsPerSecond, ChargesPerSecond, Duration, cancellationToken);
            lags.Sort();
            report.Note(string.Create(CultureInfo.InvariantCulture, $"  {name}: slowest probes, ms: {string.Join(", ", lags.TakeLast(5).Select(l => l.ToString("N0", CultureInfo.InvariantCulture)))}"));
            report.Note(string.Create(CultureInfo.InvariantCulture, $"  {name}: {lags.Count:N0} probes beside {bills:N0} bills/s with {LookupTable.ChargesPerBill} charges each and {charges:N0} charges/s, {Items:N0} items"));
            report.Set($"{name}_lag_ms_p50", SyncReport.Percentile(lags, 0.50), "to compare", true);
            report.Set($"{name}_lag_ms_p99", SyncReport.Percentile(lags, 0.99), "under 2,000", SyncReport.Percentile(lags, 0.99) < 2_000 && bills >= 0.95 * BillsPerSecond);
        }
        finally
        {
            // In the midst of its work: the next one goes on.
            ChildProcess.End(worker);
        }

        await using (var session = await table.Migration.ConnectAsync())
        {
            var result = await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), cancellationToken);
            report.Note($"  {name}: killed, and caught up as {result.State}");
        }

        var differences = await table.CompareAsync(cancellationToken);
        report.Set($"{name}_differences", differences, "none", differences == 0);
    }

}
