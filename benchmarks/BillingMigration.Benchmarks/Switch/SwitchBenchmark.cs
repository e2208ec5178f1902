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
    public const double CallsPerSecond = 500;

    private const int WritesBeforeBack = 10_000;

    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(20);

    /// <summary>Before the switch, when the application's code is compiled.</summary>
    private static readonly long Before = 50 * Stopwatch.Frequency;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly string Setup = string.Create(
        CultureInfo.InvariantCulture,
        $"INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at) WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {SteadyCalls.Accounts - 1}) SELECT {SteadyCalls.FirstAccount} + n, 1, CONCAT('BUSY-', n), 'EUR', 1, '2026-01-01' FROM r");

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
        var bare = await ChildProcess.RunAsync(ChildProcess.ThisProgram("switch-bare", database.ConnectionString, local.Endpoint.ToString(), "bare"), cancellationToken);
        report.Note($"  what DynamoDB Local carries of these calls, with nothing else at work: {double.Parse(bare, CultureInfo.InvariantCulture):N0} a second; {CallsPerSecond:N0} are made");
        await using var migration = SampleMigration.Create(database.ConnectionString, local.Endpoint);
        await migration.InitializeAsync(stream: true);
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await StoreSchema.SaveAsync(session, cancellationToken);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var following = new ChangeFollower(session, new SyncOptions { Until = null, Follow = true }).RunAsync(new Progress<SyncProgress>(), enough.Token);
        await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);

        using var application = await Application.StartAsync(migration, database.ConnectionString, cancellationToken);
        await Task.Delay(Minute, cancellationToken);
        var begun = Stopwatch.GetTimestamp();
        await SwitchAsync(RouteState.Shadow);
        await Task.Delay(Minute, cancellationToken);
        await EndAsync(following, enough);
        var over = await SwitchAsync(RouteState.DynamoDb);
        await Task.Delay(Quiet, cancellationToken);
        var made = await application.CallsAsync(cancellationToken);
        var slowest = made.Where(c => c.At > begun).MaxBy(c => c.Took);
        var before = P99(made.Where(c => c.At > begun - Before && c.At < begun));
        var beside = P99(Until(begun));
        var preparing = P99(Until(over.Began));
        report.Note($"  the longest call {slowest.Took.TotalMilliseconds:0} ms, a {(slowest.IsWrite ? "write" : "read")} due {Seconds(slowest.At - over.Draining)} s after calls began to wait (flip {Seconds(over.Flipped - over.Draining)}); p99 on the source {before:0.0} ms before the switch and {beside:0.0} ms in Shadow and while it prepares ({preparing:0.0} ms in the {Seconds(over.Draining - over.Began)} s of preparing alone); on the table {P99(made.Where(c => c.At > over.Flipped + (3 * Stopwatch.Frequency))):0.0} ms");

        // As after every switch: what is written on the table is written back, by a job of its own.
        using var enoughBack = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writingBack = new ReverseFollower(session, new ReverseOptions { Follow = true }).RunAsync(new Progress<ReverseProgress>(), enoughBack.Token);
        var writes = await application.CountAsync(cancellationToken);
        await Task.Delay(Minute - Quiet, cancellationToken);
        while (await application.CountAsync(cancellationToken) < writes + WritesBeforeBack)
        {
            await Task.Delay(100, cancellationToken);
        }

        await EndAsync(writingBack, enoughBack);
        var back = await SwitchAsync(RouteState.MySql);
        await application.StopAsync(cancellationToken);
        var all = await application.CallsAsync(cancellationToken);
        var failed = all.Count(c => c.Failed);
        var lost = await application.CountAsync(cancellationToken) - await CountAsync(database);
        report.Set("longest_stall_ms", slowest.Took.TotalMilliseconds, "under 1,000", slowest.Took < TimeSpan.FromSeconds(1));
        report.Set("switch_stall_ms", over.Stall.TotalMilliseconds, "as the switch measures it", true);
        report.Set("failed_calls", failed, "none", failed == 0);
        report.Set("p99_change", (beside / before) - 1, "at most 0.10", beside <= 1.1 * before);
        report.Set("rollback_seconds", back.Took.TotalSeconds, "under 5", back.Took < TimeSpan.FromSeconds(5));
        report.Set("longest_stall_back_ms", all.Where(c => c.AnsweredAt > back.Draining).Max(c => c.Took).TotalMilliseconds, "to compare", true);
        report.Set("lost_writes", lost, "none", lost == 0);
        await migration.DropAsync();
        return report.Finish(Repository.PathOf("artifacts", "bench", "switch.json"));

        IEnumerable<MadeCall> Until(long from) => made.Where(c => c.At > from && c.AnsweredAt < over.Draining);

        async Task<SwitchProcess> SwitchAsync(RouteState to)
        {
            var process = await SwitchProcess.RunAsync(migration, database.ConnectionString, to, cancellationToken);
            report.Note(process.Steps.Length == 0 ? $"  {to}" : $"  {to}: calls waited {process.Stall.TotalMilliseconds:0} ms of {process.Took.TotalSeconds:0.0} s; {process.Steps}");
            return process;
        }
    }

    private static string Seconds(long ticks) => ((double)ticks / Stopwatch.Frequency).ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>A job that was at work until the switch does its work itself.</summary>
    private static async Task EndAsync(Task job, CancellationTokenSource enough)
    {
        await enough.CancelAsync();
        await job.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static double P99(IEnumerable<MadeCall> calls)
    {
        var sorted = calls.Select(c => c.Took.TotalMilliseconds).Order().ToList();
        return sorted.Count == 0 ? double.NaN : SyncReport.Percentile(sorted, 0.99);
    }

    private static async Task<long> CountAsync(TestDatabase database)
    {
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT COUNT(*) FROM charge WHERE description = 'a call' AND charged_at = '2026-03-04'", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }
}
