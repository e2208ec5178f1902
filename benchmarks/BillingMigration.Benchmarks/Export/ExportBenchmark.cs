using System.Diagnostics;
using System.Globalization;
using BillingMigration.Target;
using BillingMigration.Testing;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Benchmarks.Export;

/// <summary>The bars of the export, measured in one run on servers of its own; see <c>docs/performance.md</c>.</summary>
internal sealed class ExportBenchmark(MySqlServer mysql, DynamoDbLocalServer dynamoDb, ExportReport report, CancellationToken cancellationToken)
{
    private const int RateCharges = 20_000;
    private const int RatePairs = 3;
    private const int SmallCharges = 200_000;
    private const int LargeCharges = 2_000_000;
    private const int Repeats = 3;
    private const int PeerCharges = 30_000;

    // Of all rows of the sample, charges are 77 to 80 of a hundred.
    private const double RowsPerCharge = 1.35;

    // The whole table in memory and no wait for the disk, so that the source is not what is measured.
    private static readonly string[] ServerOptions =
        ["--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=1G", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"];

    /// <returns>True when every bar is held.</returns>
    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var report = new ExportReport();
        Console.WriteLine("Starting MySQL and DynamoDB Local.");
        await using var mysql = await MySqlServer.StartAsync(ServerOptions);
        await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
        var benchmark = new ExportBenchmark(mysql, dynamoDb, report, cancellationToken);
        await benchmark.MeasureRateAsync();
        await benchmark.MeasureWorkersAsync();
        return report.Finish(Repository.PathOf("artifacts", "bench", "export.json"));
    }

    /// <summary>Ours and the bare writer in turn, after one warm-up of each; every time into a new table with all indexes.</summary>
    private async Task MeasureRateAsync()
    {
        await using var database = await FillAsync(RateCharges);
        await using var first = SampleMigration.Create(database.ConnectionString, dynamoDb.Endpoint);
        var items = await ReadyItems.ReadAsync(first, RateCharges, cancellationToken);
        List<double> ours = [], bare = [];
        for (var i = 0; i <= RatePairs; i++)
        {
            var name = i == 0 ? "warm-up" : string.Create(CultureInfo.InvariantCulture, $"round {i}");
            bare.Add(await RateAsync(database, $"bare writer into DynamoDB Local, {name}", async migration =>
            {
                var bodies = items.Bodies(migration.Table);
                var duration = await BareWriter.WriteAsync(dynamoDb.Endpoint, bodies, migration.Definition.Throttle.Writers, cancellationToken);
                return (items.Count, duration);
            }));
            ours.Add(await RateAsync(database, $"export into DynamoDB Local, {name}", async migration =>
            {
                var started = Stopwatch.GetTimestamp();
                var result = await ExportWorker.ExportAsync(migration, cancellationToken);
                return (result.Items, Stopwatch.GetElapsedTime(started));
            }));
        }

        report.SetRates(ExportReport.Median(ours.Skip(1)), ExportReport.Median(bare.Skip(1)));
    }

    private async Task<double> RateAsync(TestDatabase database, string what, Func<SampleMigration, Task<(long, TimeSpan)>> write)
    {
        await using var migration = SampleMigration.Create(database.ConnectionString, dynamoDb.Endpoint);
        await CreateTablesAsync(migration);
        var (items, duration) = await write(migration);
        Expect(RateCharges, items, what);
        report.Add(what, items, duration.TotalSeconds, null, null);
        // What one round has left must not weigh on the next.
        await migration.Client.DeleteTableAsync(migration.Table, cancellationToken);
        return items / duration.TotalSeconds;
    }

    /// <summary>
    /// The tables as the product makes them, but without the stream: DynamoDB Local gets slower with every record in one, also in those of
    /// tables that are gone, down to 60 items a second. Its streams say nothing about a writer.
    /// </summary>
    private async Task CreateTablesAsync(SampleMigration migration)
    {
        var target = migration.Definition.Target;
        foreach (var spec in new[] { TableSpec.Billing(target) with { Indexes = migration.Definition.Indexes, Stream = false }, TableSpec.Control(target) })
        {
            var request = spec.ToRequest();
            request.DeletionProtectionEnabled = false;
            await migration.Client.CreateTableAsync(request, cancellationToken);
        }
    }

    private async Task MeasureWorkersAsync()
    {
        using var sink = await SinkProcess.StartAsync(dynamoDb.Endpoint, cancellationToken);
        await using (var small = await FillAsync(SmallCharges))
        {
            var figures = await ExportAsync(small, sink, SmallCharges);
            report.PeakMbSmall = figures.Max(f => f.PeakMegabytes);
        }

        await using var large = await FillAsync(LargeCharges);
        var all = await ExportAsync(large, sink, LargeCharges);
        report.PeakMbLarge = all.Max(f => f.PeakMegabytes);
        report.ItemsPerCpuSecond = ExportReport.Median(all.Select(f => f.ItemsPerCpuSecond));
        var sdk = ProcessFigures.Parse(await ChildProcess.RunAsync(ChildProcess.ThisProgram("sdk-worker", large.ConnectionString, sink.Endpoint.ToString()), cancellationToken));
        report.Add("SDK's object model, items ready made, into the sink", sdk);
        report.SdkItemsPerCpuSecond = sdk.ItemsPerCpuSecond;
        await MeasurePeerAsync(large, sink);
    }

    private async Task<List<ProcessFigures>> ExportAsync(TestDatabase database, SinkProcess sink, int charges)
    {
        List<ProcessFigures> all = [];
        for (var i = 1; i <= Repeats; i++)
        {
            var what = string.Create(CultureInfo.InvariantCulture, $"export of {charges:N0} charges into the sink, run {i}");
            await using var migration = SampleMigration.Create(database.ConnectionString, dynamoDb.Endpoint);
            migration.Definition = migration.Definition with { Target = migration.Definition.Target with { Table = $"{migration.Table}-sink" } };
            await migration.InitializeAsync();
            var before = await sink.ItemsAsync(cancellationToken);
            var output = await ChildProcess.RunAsync(
                ChildProcess.ThisProgram("export-worker", database.ConnectionString, sink.Endpoint.ToString(), migration.Table), cancellationToken);
            var figures = ProcessFigures.Parse(output);
            Expect(charges, figures.Items, what);
            Expect(charges, await sink.ItemsAsync(cancellationToken) - before, what + ", items that the sink saw");
            report.Add(what, figures);
            all.Add(figures);
        }

        return all;
    }

    private async Task MeasurePeerAsync(TestDatabase database, SinkProcess sink)
    {
        if (await PythonAsync() is not { } python)
        {
            report.Note("peer not measured: no python3 with pymysql and boto3 here (Debian: apt-get install python3-pymysql python3-boto3)");
            return;
        }

        string[] arguments =
        [
            Repository.PathOf("benchmarks", "peer", "export_peer.py"), mysql.Host, mysql.Port.ToString(CultureInfo.InvariantCulture), database.Name,
            PeerCharges.ToString(CultureInfo.InvariantCulture), sink.Endpoint.ToString(), "billing",
        ];
        List<ProcessFigures> all = [];
        for (var i = 1; i <= Repeats; i++)
        {
            var output = await ChildProcess.RunAsync(new ProcessStartInfo(python, arguments) { RedirectStandardOutput = true }, cancellationToken);
            all.Add(ProcessFigures.Parse(output));
            report.Add(string.Create(CultureInfo.InvariantCulture, $"PyMySQL and boto3 batch_writer into the sink, run {i}"), all[^1]);
        }

        report.PeerItemsPerCpuSecond = ExportReport.Median(all.Select(f => f.ItemsPerCpuSecond));
    }

    /// <summary>A Python that has both modules: the one first in the path may be another than the system's, which Debian's packages go to.</summary>
    private async Task<string?> PythonAsync()
    {
        foreach (var python in new[] { "python3", "/usr/bin/python3" })
        {
            try
            {
                await ChildProcess.RunAsync(
                    new ProcessStartInfo(python, ["-c", "import pymysql, boto3"]) { RedirectStandardOutput = true, RedirectStandardError = true }, cancellationToken);
                return python;
            }
            catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                // Not this one.
            }
        }

        return null;
    }

    /// <summary>The sample database with just so many charges.</summary>
    private async Task<TestDatabase> FillAsync(int charges)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Filling the sample database: {charges:N0} charges."));
        var database = await mysql.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, (long)(charges * RowsPerCharge), seed: 1, cancellationToken: cancellationToken);
        await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"DELETE FROM charge WHERE charge_id > {charges}; ANALYZE TABLE charge"));
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT COUNT(*) FROM charge", connection);
        Expect(charges, Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture), "rows of the charge table");
        return database;
    }

    private static void Expect(long expected, long actual, string what)
    {
        if (expected != actual)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{what}: {actual:N0} instead of {expected:N0}."));
        }
    }
}
