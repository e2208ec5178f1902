using System.Globalization;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Benchmarks.Sync;
using BillingMigration.Integrity;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Integrity;

/// <summary>The bars of the comparison, measured in one run on servers of its own; see <c>docs/performance.md</c>.</summary>
internal sealed class IntegrityBenchmark(MySqlServer mysql, DynamoDbLocalServer dynamoDb, SyncReport report, CancellationToken cancellationToken)
{
    // In a smaller table no page of a segment is full, and the buffers are smaller.
    private const long SmallRows = 500_000;
    private const long LargeRows = 2_000_000;
    private const long WallRows = 1_000_000;
    private const int Rounds = 3;

    /// <summary>Of a page of 1 MB: 10 MB a second for each reader.</summary>
    public static TimeSpan PageTime { get; } = TimeSpan.FromMilliseconds(100);

    private static readonly string[] ServerOptions =
        ["--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=1G", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"];

    /// <returns>True when every bar is held.</returns>
    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var report = new SyncReport("./build.sh bench integrity");
        Console.WriteLine("Starting MySQL and DynamoDB Local.");
        await using var mysql = await MySqlServer.StartAsync(ServerOptions);
        await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
        var benchmark = new IntegrityBenchmark(mysql, dynamoDb, report, cancellationToken);
        await benchmark.MeasureWorkersAsync();
        await benchmark.MeasureWallAsync();
        return report.Finish(Repository.PathOf("artifacts", "bench", "integrity.json"));
    }

    /// <summary>Wall time beside the bare readers, in turn, after one warm-up of each. The table answers as one on other machines does: DynamoDB Local would take both cores for itself.</summary>
    private async Task MeasureWallAsync()
    {
        using var sink = await SinkProcess.StartAsync(dynamoDb.Endpoint, cancellationToken, "waiting-sink");
        await using var sample = await FillAsync(sink.Endpoint, WallRows);
        List<double> ours = [], scans = [], selects = [];
        for (var round = 0; round <= Rounds; round++)
        {
            var name = round == 0 ? "warm-up" : string.Create(CultureInfo.InvariantCulture, $"round {round}");
            ours.Add(Note($"comparison of {WallRows:N0} rows, {name}", (await IntegrityWorker.CompareAsync(sample.Migration, cancellationToken)).Duration));
            scans.Add(Note($"bare scan, {name}", await BareReaders.ScanAsync(sink.Endpoint, sample.Migration.Table, TargetSide.SegmentsFor(WallRows), cancellationToken)));
            selects.Add(Note($"bare SELECT, {name}", await BareReaders.SelectAsync(sample.Database, cancellationToken)));
        }

        var ratio = ExportReport.Median(ours.Skip(1)) / Math.Max(ExportReport.Median(scans.Skip(1)), ExportReport.Median(selects.Skip(1)));
        report.Set("wall_ratio", ratio, "at most 1.15", ratio <= 1.15);
    }

    /// <summary>A process that does nothing else, on a table that takes no time to speak of.</summary>
    private async Task MeasureWorkersAsync()
    {
        var small = await WorkAsync(SmallRows);
        var large = await WorkAsync(LargeRows);
        report.Set("rows_per_cpu_second", large.ItemsPerCpuSecond, "at least 100,000", large.ItemsPerCpuSecond >= 100_000);
        report.Set("peak_mb_small", small.PeakMegabytes, "under 300", small.PeakMegabytes < 300);
        report.Set("peak_mb_large", large.PeakMegabytes, "under 300, within 1.25 of small", large.PeakMegabytes < 300 && large.PeakMegabytes <= 1.25 * small.PeakMegabytes);
    }

    private async Task<ProcessFigures> WorkAsync(long rows)
    {
        using var sink = await SinkProcess.StartAsync(dynamoDb.Endpoint, cancellationToken, "keeping-sink");
        await using var sample = await FillAsync(sink.Endpoint, rows);
        var output = await ChildProcess.RunAsync(
            ChildProcess.ThisProgram("integrity-worker", sample.Database.ConnectionString, sink.Endpoint.ToString(), sample.Migration.Table), cancellationToken);
        var figures = ProcessFigures.Parse(output);
        report.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"  comparison of {rows:N0} rows as a process: {figures.Items:N0} rows, {figures.Seconds:N1} s, {figures.ItemsPerCpuSecond:N0} rows per CPU-second, peak {figures.PeakMegabytes:N0} MB"));
        return figures;
    }

    private Task<ExportedSample> FillAsync(Uri endpoint, long rows)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Filling both sides: {rows:N0} rows."));
        return ExportedSample.CreateAsync(mysql, endpoint, rows, cancellationToken, indexed: false);
    }

    private double Note(string what, TimeSpan duration)
    {
        report.Note(string.Create(CultureInfo.InvariantCulture, $"  {what}: {duration.TotalSeconds:N2} s"));
        return duration.TotalSeconds;
    }
}
