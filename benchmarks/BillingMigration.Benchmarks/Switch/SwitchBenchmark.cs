using System.Diagnostics;
using System.Globalization;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Benchmarks.Sync;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Reverse;
using BillingMigration.Snapshot;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Benchmarks.Switch;

/// <summary>What an application feels of a switch at 500 calls a second, and how long the way back takes a minute and 10,000 writes later; see <c>docs/performance.md</c>.</summary>
internal static class SwitchBenchmark
{
    private const double CallsPerSecond = 500;
    private const int Accounts = 200;
    private const long FirstAccount = 900_001;
    private const int WritesBeforeBack = 10_000;

    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan BareTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly string Setup = string.Create(
        CultureInfo.InvariantCulture,
        $"INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at) WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {Accounts - 1}) SELECT {FirstAccount} + n, 1, CONCAT('BUSY-', n), 'EUR', 1, '2026-01-01' FROM r");

    /// <returns>True when every bar is held.</returns>
    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var report = new SyncReport("./build.sh bench switch");
        Console.WriteLine("Starting MySQL and DynamoDB Local, and filling both.");
        await using var server = await MySqlServer.StartAsync("--innodb-buffer-pool-size=512M", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0");
        await using var local = await DynamoDbLocalServer.StartAsync();
        await using var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, 5_000, seed: 1, cancellationToken: cancellationToken);
        await database.ExecuteAsync(Setup);
        await using var migration = SampleMigration.Create(database.ConnectionString, local.Endpoint);
        await migration.InitializeAsync(stream: true);
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await StoreSchema.SaveAsync(session, cancellationToken);
        await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), cancellationToken);
        await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);

        await using var store = await RoutedBillingStore.OpenAsync(migration.Definition, migration.Credential, SampleMigration.Access, null, TimeProvider.System, cancellationToken);
        await using var calls = new SteadyCalls(store, CallsPerSecond, FirstAccount, Accounts);
        await Task.Delay(Quiet, cancellationToken);
        var begun = Stopwatch.GetTimestamp();
        long draining = 0, flipped = 0;
        var over = await SwitchAsync(
            session,
            RouteState.DynamoDb,
            report,
            route =>
            {
                draining = route.State == RouteState.Draining ? Stopwatch.GetTimestamp() : draining;
                flipped = route.State == RouteState.DynamoDb ? Stopwatch.GetTimestamp() : flipped;
            },
            cancellationToken);
        await Task.Delay(Quiet, cancellationToken);
        var made = calls.Made.ToArray();
        var second = Stopwatch.Frequency;
        var slowest = made.Where(c => c.At > begun - second).MaxBy(c => c.Took);
        var longest = slowest.Took;
        var before = P99(made.Where(c => c.At > begun - (15 * second) && c.At < begun));
        var beside = P99(made.Where(c => c.At > begun && c.At < draining - second));
        report.Note($"  the longest call {longest.TotalMilliseconds:0} ms, a {(slowest.IsWrite ? "write" : "read")} due {Seconds(slowest.At - begun)} s after the switch began (draining {Seconds(draining - begun)}, flip {Seconds(flipped - begun)}); p99 on the source {before:0.0} ms before the switch and {beside:0.0} ms while it prepares; on the table {P99(made.Where(c => c.At > flipped + (3 * second))):0.0} ms");

        // As after every switch: what is written on the table is written back, by a job of its own.
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writingBack = new ReverseFollower(session, new ReverseOptions { Follow = true }).RunAsync(new Progress<ReverseProgress>(), enough.Token);
        var writes = calls.Acknowledged;
        await Task.Delay(Minute - Quiet, cancellationToken);
        while (calls.Acknowledged < writes + WritesBeforeBack)
        {
            await Task.Delay(100, cancellationToken);
        }

        await enough.CancelAsync();
        await ((Task)writingBack).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var began = Stopwatch.GetTimestamp();
        await SwitchAsync(session, RouteState.MySql, report, _ => { }, cancellationToken);
        var back = Stopwatch.GetElapsedTime(began);
        await calls.StopAsync();
        var failed = calls.Made.Count(c => c.Failed);
        var lost = calls.Acknowledged - await CountAsync(database);
        report.Set("longest_stall_ms", longest.TotalMilliseconds, "under 1,000", longest < TimeSpan.FromSeconds(1));
        report.Set("switch_stall_ms", over.Stall!.Value.TotalMilliseconds, "as the switch measures it", true);
        report.Set("failed_calls", failed, "none", failed == 0);
        report.Set("p99_change", (beside / before) - 1, "at most 0.10", beside <= 1.1 * before);
        report.Set("rollback_seconds", back.TotalSeconds, "under 5", back < TimeSpan.FromSeconds(5));
        report.Set("lost_writes", lost, "none", lost == 0);
        report.Note($"  what DynamoDB Local carries of these calls, with nothing else at work: {await BareAsync(session, cancellationToken):N0} a second, {CallsPerSecond:N0} were made");
        await migration.DropAsync();
        return report.Finish(Repository.PathOf("artifacts", "bench", "switch.json"));
    }

    private static string Seconds(long ticks) => ((double)ticks / Stopwatch.Frequency).ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>The same calls on the table, as fast as they go.</summary>
    private static async Task<double> BareAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        await using var table = await DynamoDbBillingStore.OpenAsync(session, cancellationToken);
        var began = Stopwatch.GetTimestamp();
        await using var calls = new SteadyCalls(table, 1_000_000, FirstAccount, Accounts);
        await Task.Delay(BareTime, cancellationToken);
        return calls.Made.Count / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static double P99(IEnumerable<MadeCall> calls)
    {
        var sorted = calls.Select(c => c.Took.TotalMilliseconds).Order().ToList();
        return sorted.Count == 0 ? double.NaN : SyncReport.Percentile(sorted, 0.99);
    }

    private static async Task<SwitchResult> SwitchAsync(MigrationSession session, RouteState to, SyncReport report, Action<Route> told, CancellationToken cancellationToken)
    {
        var options = new SwitchOptions
        {
            To = to,
            Reason = "measured",
            OnState = (route, _) =>
            {
                told(route);
                return Task.CompletedTask;
            },
        };
        var result = await new BackendSwitch(session, options).RunAsync(new Progress<SwitchProgress>(), cancellationToken);
        report.Note($"  {to}: calls waited {result.Stall!.Value.TotalMilliseconds:0} ms of {result.Duration.TotalSeconds:0.0} s; {string.Join(", ", result.Steps.Select(s => $"{s.Name} {s.Took.TotalMilliseconds:0}"))}");
        return result;
    }

    private static async Task<long> CountAsync(TestDatabase database)
    {
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT COUNT(*) FROM charge WHERE description = 'a call' AND charged_at = '2026-03-04'", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }
}
