using System.Diagnostics;
using System.Globalization;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Sync;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>The bars of the change capture, measured in one run on servers of its own; see <c>docs/performance.md</c>.</summary>
internal sealed class SyncBenchmark(MySqlServer mysql, DynamoDbLocalServer dynamoDb, SyncReport report, CancellationToken cancellationToken)
{
    private const long DecodedRows = 400_000;
    private const int AppliedCharges = 20_000;
    private const int AppliedRounds = 3;
    private const int ChangesPerSecond = 1_000;
    private const int Hour = 3_600 * ChangesPerSecond;
    private const int OneTransaction = 1_000_000;
    private const int SampleRows = 10_000;

    private static readonly TimeSpan LagDuration = TimeSpan.FromMinutes(1);
    private static readonly string[] ServerOptions =
        ["--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=1G", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"];

    /// <returns>True when every bar is held.</returns>
    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var report = new SyncReport("./build.sh bench sync");
        Console.WriteLine("Starting MySQL and DynamoDB Local.");
        await using var mysql = await MySqlServer.StartAsync(ServerOptions);
        await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
        var benchmark = new SyncBenchmark(mysql, dynamoDb, report, cancellationToken);
        await benchmark.MeasureEventsAsync();
        await benchmark.MeasureRateAsync();
        await benchmark.MeasureLagAsync();
        await benchmark.MeasureHourAsync();
        await benchmark.MeasurePeakAsync();
        return report.Finish(Repository.PathOf("artifacts", "bench", "sync.json"));
    }

    private async Task MeasureEventsAsync()
    {
        var figures = await RowEvents.MeasureAsync(mysql, DecodedRows, report.Note, cancellationToken);
        report.Set("events_per_cpu_second", figures.MappedPerCpuSecond, "at least 450,000", figures.MappedPerCpuSecond >= 450_000);
        report.Set("mysqlbinlog_ratio", figures.MappedPerCpuSecond / figures.ToolPerCpuSecond, "to compare", true);
    }

    /// <summary>Ours and the bare writer in turn: the same charges, once as changes that are followed, once as ready-made requests.</summary>
    private async Task MeasureRateAsync()
    {
        List<double> ours = [], bare = [];
        for (var round = 0; round <= AppliedRounds; round++)
        {
            await using var sample = await ExportedSample.CreateAsync(mysql, dynamoDb.Endpoint, SampleRows, cancellationToken);
            await sample.InsertChargesAsync(AppliedCharges);
            await using var session = await sample.Migration.ConnectAsync();
            var result = await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), cancellationToken);
            ours.Add(Rate($"changes applied to DynamoDB Local, {Name(round)}", result.ItemsPut, result.Duration));

            var items = await ReadyItems.ReadAsync(sample.Migration, AppliedCharges, cancellationToken);
            var bodies = items.Bodies(sample.Migration.Table);
            bare.Add(Rate($"bare writer into DynamoDB Local, {Name(round)}", items.Count, await BareWriter.WriteAsync(dynamoDb.Endpoint, bodies, sample.Migration.Definition.Throttle.Writers, cancellationToken)));
        }

        var ratio = ExportReport.Median(ours.Skip(1)) / ExportReport.Median(bare.Skip(1));
        report.Set("apply_ratio", ratio, "at least 0.95", ratio >= 0.95);
    }

    private async Task MeasureLagAsync()
    {
        await using var sample = await ExportedSample.CreateAsync(mysql, dynamoDb.Endpoint, SampleRows, cancellationToken);
        using var worker = Process.Start(ChildProcess.ThisProgram("sync-worker", sample.Database.ConnectionString, dynamoDb.Endpoint.ToString(), sample.Migration.Table, "follow"))!;
        try
        {
            await worker.StandardOutput.ReadLineAsync(cancellationToken);
            var (lags, rate) = await new LagProbe(sample).MeasureAsync(ChangesPerSecond, LagDuration, cancellationToken);
            lags.Sort();
            report.Note(string.Create(CultureInfo.InvariantCulture, $"  {lags.Count:N0} probes beside {rate:N0} changes/s for {LagDuration.TotalSeconds:N0} s"));
            report.Set("lag_ms_p50", SyncReport.Percentile(lags, 0.50), "to compare", true);
            report.Set("lag_ms_p99", SyncReport.Percentile(lags, 0.99), "under 100", SyncReport.Percentile(lags, 0.99) < 100 && rate > 0.95 * ChangesPerSecond);
            report.Set("lag_ms_max", lags[^1], "to compare", true);
        }
        finally
        {
            ChildProcess.End(worker);
        }
    }

    /// <summary>Changes of an hour, and of a quarter of it, replayed as fast as they can be into a sink that accepts everything. Less does not warm the process up.</summary>
    private async Task MeasureHourAsync()
    {
        var small = await MeasurePeakAsync("steady changes", sample => SteadyChanges.WriteAsync(sample, Hour / 4));
        var large = await MeasurePeakAsync("steady changes", sample => SteadyChanges.WriteAsync(sample, Hour));
        report.Set("peak_mb_small", small, "under 300", small < 300);
        report.Set("peak_mb_hour", large, "under 300, within 1.25 of the small", large < 300 && large <= 1.25 * small);
    }

    /// <summary>A million rows in one transaction, into the sink.</summary>
    private async Task MeasurePeakAsync()
    {
        var peak = await MeasurePeakAsync("inserts in one transaction", async sample =>
        {
            await sample.InsertInOneTransactionAsync(OneTransaction);
            return OneTransaction;
        });
        report.Set("peak_mb", peak, "under 300", peak < 300);
    }

    /// <param name="write">Changes rows of a sample that was exported, and returns how many.</param>
    /// <returns>Megabytes of the process that follows them.</returns>
    private async Task<double> MeasurePeakAsync(string what, Func<ExportedSample, Task<long>> write)
    {
        using var sink = await SinkProcess.StartAsync(dynamoDb.Endpoint, cancellationToken);
        await using var sample = await ExportedSample.CreateAsync(mysql, dynamoDb.Endpoint, SampleRows, cancellationToken);
        var written = await write(sample);
        var output = await ChildProcess.RunAsync(
            ChildProcess.ThisProgram("sync-worker", sample.Database.ConnectionString, sink.Endpoint.ToString(), sample.Migration.Table, "catch-up"), cancellationToken);
        var figures = ProcessFigures.Parse(output);
        if (figures.Items != written)
        {
            throw new InvalidOperationException($"{written} rows were changed, and {figures.Items} were followed.");
        }

        report.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"  {figures.Items:N0} {what}, into the sink: {figures.Items / figures.Seconds:N0} rows/s, {figures.ItemsPerCpuSecond:N0} rows per CPU-second of the whole process, peak {figures.PeakMegabytes:N0} MB"));
        return figures.PeakMegabytes;
    }

    private double Rate(string what, long items, TimeSpan duration)
    {
        report.Note(string.Create(CultureInfo.InvariantCulture, $"  {what}: {items:N0} items, {items / duration.TotalSeconds:N0} items/s"));
        return items / duration.TotalSeconds;
    }

    private static string Name(int round) => round == 0 ? "warm-up" : string.Create(CultureInfo.InvariantCulture, $"round {round}");

}
