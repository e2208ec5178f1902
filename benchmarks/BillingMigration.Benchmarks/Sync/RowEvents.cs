using System.Diagnostics;
using System.Globalization;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>Row events of charges in binlog files, decoded, and decoded and mapped to items: events per second of CPU time, beside the server's own tool.</summary>
internal static class RowEvents
{
    private const int Rounds = 5;
    private const string Table = "charge";
    private const string Entity = "CHARGE";

    /// <param name="Events">Row events: one for each row that is inserted, updated or deleted.</param>
    /// <param name="MappedPerCpuSecond">Decoded and mapped to items: median of the rounds.</param>
    /// <param name="ToolPerCpuSecond">Printed by <c>mysqlbinlog -vv</c> from the same files, into nothing.</param>
    public sealed record Figures(long Events, double MappedPerCpuSecond, double ToolPerCpuSecond);

    /// <param name="charges">Rows that are inserted; all of them are then updated once.</param>
    public static async Task<Figures> MeasureAsync(MySqlServer server, long charges, Action<string> note, CancellationToken cancellationToken)
    {
        await using var database = await server.CreateDatabaseAsync();
        await using var connection = await database.OpenAsync();
        var first = await CurrentAsync(connection, cancellationToken);
        await SampleDatabase.CreateAsync(database.ConnectionString, charges, 1, cancellationToken: cancellationToken);
        await database.ExecuteAsync($"UPDATE {Table} SET amount = amount + 1; FLUSH BINARY LOGS");
        var (files, model, charsets) = (await FilesAsync(connection, first, cancellationToken), await ModelAsync(connection, database.Name, cancellationToken), await CharsetsAsync(connection, cancellationToken));
        var rounds = new List<double>();
        long events = 0;
        for (var round = 1; round <= Rounds; round++)
        {
            (events, var decoded, var allocated) = await MeasureAsync(files, model, charsets, map: false, cancellationToken);
            var (_, mapped, _) = await MeasureAsync(files, model, charsets, map: true, cancellationToken);
            note(string.Create(CultureInfo.InvariantCulture, $"  {events:N0} row events of charges, round {round}: {events / decoded:N0} decoded, {events / mapped:N0} decoded and mapped per CPU-second; {allocated / (double)events:F1} bytes allocated each"));
            rounds.Add(events / mapped);
        }

        var tool = events / await ToolSecondsAsync(files, cancellationToken);
        note(string.Create(CultureInfo.InvariantCulture, $"  mysqlbinlog -vv on the same files: {tool:N0} row events of charges per CPU-second"));
        return new Figures(events, Export.ExportReport.Median(rounds), tool);
    }

    /// <summary>CPU time of the server's own tool.</summary>
    private static async Task<double> ToolSecondsAsync(IReadOnlyList<string> files, CancellationToken cancellationToken)
    {
        var run = Repository.PathOf(".servers", "mysql", "run");
        var start = new ProcessStartInfo("bash", ["-c", "TIMEFORMAT='%U %S'; time \"$@\" >/dev/null", "bash", run, "mysqlbinlog", "-vv", "--base64-output=DECODE-ROWS", .. files]) { RedirectStandardError = true };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start)!;
        var times = (await process.StandardError.ReadToEndAsync(cancellationToken)).Trim().Split('\n')[^1].Split(' ');
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? times.Sum(t => double.Parse(t, CultureInfo.InvariantCulture)) : throw new InvalidOperationException("mysqlbinlog failed.");
    }

    private static async Task<(long Events, double CpuSeconds, long Allocated)> MeasureAsync(
        IReadOnlyList<string> files, EntityModel model, CharsetTable charsets, bool map, CancellationToken cancellationToken)
    {
        var (before, after) = (new RowBuffer(model.Row.Length), new RowBuffer(model.Row.Length));
        var encoder = new ItemEncoder(model);
        using var batch = new ItemBatch();
        using var process = Process.GetCurrentProcess();
        var (cpu, allocated) = (process.TotalProcessorTime, GC.GetTotalAllocatedBytes());
        long events = 0;
        TableMap? known = null;
        RowDecoder? bound = null;
        foreach (var file in files)
        {
            await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(file, cancellationToken), file);
            while (await decoder.ReadAsync(cancellationToken) is { } found)
            {
                if (found is not RowsEvent change || change.Table.Table != Table || change.Table.Database != model.Table.Database)
                {
                    continue;
                }

                if (!ReferenceEquals(known, change.Table))
                {
                    (known, bound) = (change.Table, RowDecoder.Bind(change.Table, model, charsets));
                }

                for (; change.TryRead(bound!, before, after); events++)
                {
                    if (map && !encoder.TryEncode(change.Kind == RowsKind.Delete ? before : after, batch, out var refusal))
                    {
                        throw new InvalidOperationException($"A sample row has no item: {refusal.Reason}.");
                    }

                    if (batch.IsFull)
                    {
                        batch.Clear();
                    }
                }
            }
        }

        process.Refresh();
        return (events, (process.TotalProcessorTime - cpu).TotalSeconds, GC.GetTotalAllocatedBytes() - allocated);
    }

    private static async Task<EntityModel> ModelAsync(MySqlConnection connection, string database, CancellationToken cancellationToken)
    {
        var definition = MigrationDefinitionFile.Load(Repository.PathOf("examples", "sample", "migration.json"));
        return BillingModel.Bind(definition, await SchemaInspector.InspectAsync(connection, database, BillingModel.TablesOf(definition), cancellationToken))[Entity];
    }

    private static Task<CharsetTable> CharsetsAsync(MySqlConnection connection, CancellationToken cancellationToken) => CharsetTable.LoadAsync(connection, ["utf8mb4"], cancellationToken);

    private static async Task<string> CurrentAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var flush = new MySqlCommand("FLUSH BINARY LOGS", connection);
        await flush.ExecuteNonQueryAsync(cancellationToken);
        return (await NamesAsync(connection, cancellationToken))[^1];
    }

    private static async Task<IReadOnlyList<string>> FilesAsync(MySqlConnection connection, string first, CancellationToken cancellationToken)
    {
        await using var folder = new MySqlCommand("SELECT @@log_bin_basename", connection);
        var path = Path.GetDirectoryName((string)(await folder.ExecuteScalarAsync(cancellationToken))!)!;
        var names = await NamesAsync(connection, cancellationToken);
        return [.. names.SkipWhile(n => n != first).SkipLast(1).Select(n => Path.Combine(path, n))];
    }

    private static async Task<List<string>> NamesAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var list = new MySqlCommand("SHOW BINARY LOGS", connection);
        await using var reader = await list.ExecuteReaderAsync(cancellationToken);
        var names = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }
}
