using System.Diagnostics;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Torture;

public sealed record SyncTortureOptions
{
    public TimeSpan Duration { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Rows of the sample database when the writers begin.</summary>
    public long Rows { get; init; } = 20_000;

    public int Seed { get; init; } = 1;

    public int Writers { get; init; } = 8;

    /// <summary>Of all writers together: what DynamoDB Local can follow.</summary>
    public double TransactionsPerSecond { get; init; } = 200;

    /// <summary>A replica takes the source's place half-way, without its last transactions; MySQL only.</summary>
    public bool Failover { get; init; }

    /// <summary>Part of the requests that are held on the way until a worker is at its end, and then delivered if they still can be.</summary>
    public double Late { get; init; } = 0.002;

    /// <summary>Longest life of a worker.</summary>
    public TimeSpan LongestLife { get; init; } = TimeSpan.FromSeconds(10);
}

public sealed record SyncTortureResult(long Transactions, int Kills, int Cuts, IReadOnlyList<string> Differences, TimeSpan Duration);

/// <summary>
/// Writers change everything, export and sync run, are killed every few seconds, and the network to both sides is cut at random; in the end the table must be the
/// source, item for item.
/// </summary>
public static class SyncTorture
{
    /// <summary>A table that is not migrated, and through which a bill's changes reach its charges.</summary>
    private const string Envelope = """
        CREATE TABLE envelope (bill_id BIGINT UNSIGNED NOT NULL PRIMARY KEY, CONSTRAINT envelope_bill FOREIGN KEY (bill_id) REFERENCES bill (bill_id) ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO envelope SELECT bill_id FROM bill;
        ALTER TABLE charge DROP FOREIGN KEY charge_bill, ADD CONSTRAINT charge_envelope FOREIGN KEY (bill_id) REFERENCES envelope (bill_id) ON DELETE SET NULL ON UPDATE CASCADE;
        CREATE TRIGGER bill_envelope AFTER INSERT ON bill FOR EACH ROW INSERT INTO envelope VALUES (NEW.bill_id)
        """;

    private const string WorkerName = "sync-worker";

    private static readonly TimeSpan ShortestLife = TimeSpan.FromSeconds(1);

    public static async Task<SyncTortureResult> RunAsync(
        SqlServerProcess source, Uri dynamoDb, SyncTortureOptions options, TextWriter log, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        await using var failover = options.Failover ? await Failover.PrepareAsync(source) : null;
        await using var database = await source.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, options.Rows, options.Seed, cancellationToken: cancellationToken);
        await database.ExecuteAsync(Envelope);
        await using var migration = TrialMigration.Create(database.ConnectionString, dynamoDb);
        await migration.InitializeAsync();
        await using var sourceWay = FaultProxy.Start(source.Host, source.Port, ProxiedProtocol.Tcp);
        await using var tableWay = FaultProxy.Start(dynamoDb.Host, dynamoDb.Port, ProxiedProtocol.Http);
        var through = new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)sourceWay.Port }.ConnectionString;
        var last = failover is null ? database.ConnectionString : new MySqlConnectionStringBuilder(failover.Server.ConnectionString) { Database = database.Name }.ConnectionString;

        using var stopWriting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writers = failover is null
            ? WriteAsync(database.ConnectionString, options, 0, stopWriting.Token)
            : WriteOnBothAsync(database.ConnectionString, last, failover, sourceWay, options, stopWriting.Token);
        await using var cuts = new Cuts([sourceWay.Faults, tableWay.Faults], options.Seed);
        using var late = tableWay.Faults.Sometimes(options.Late, options.Seed, HttpFault.Late, "BatchWriteItem");
        var kills = await KillAsync(through, tableWay, migration.Table, options, started, writers, log, cancellationToken);

        await stopWriting.CancelAsync();
        var transactions = await writers;
        await cuts.StopAsync();
        await log.WriteLineAsync(FormattableString.Invariant(
            $"{transactions:N0} transactions are written, {kills} kills, {cuts.Count} cuts, {tableWay.Faults.TakenBack} late requests taken back and {tableWay.Faults.ArrivedLate} not: catching up"));
        using (var worker = new WorkerProcess(WorkerName, through, dynamoDb, migration.Table, "last"))
        {
            if (await worker.EndAsync(cancellationToken) != WorkerEnd.Complete)
            {
                throw new InvalidOperationException($"The last worker has not caught up: {(await worker.EndedAsync(cancellationToken)).Errors}");
            }
        }

        var comparison = await SampleComparison.CompareAsync(last, migration.Client, migration.Table, lookups: true);
        await migration.DropAsync();
        return new SyncTortureResult(transactions, kills, cuts.Count, comparison.Differences, Stopwatch.GetElapsedTime(started));
    }

    private static Task<long> WriteAsync(string connectionString, SyncTortureOptions options, int phase, CancellationToken cancellationToken) => TortureWriters.RunAsync(
        connectionString, new TortureWriterOptions { Writers = options.Writers, Seed = options.Seed + phase, TransactionsPerSecond = options.TransactionsPerSecond }, cancellationToken);

    private static async Task<long> WriteOnBothAsync(
        string first, string second, Failover failover, FaultProxy address, SyncTortureOptions options, CancellationToken cancellationToken)
    {
        using var stopFirst = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writing = WriteAsync(first, options, 0, stopFirst.Token);
        await Task.Delay(options.Duration / 2, cancellationToken);
        await failover.PromoteAsync(
            async () =>
            {
                await stopFirst.CancelAsync();
                await writing;
            },
            cancellationToken);
        address.PointTo(failover.Server.Host, failover.Server.Port);
        return await writing + await WriteAsync(second, options, 1, cancellationToken);
    }

    private static async Task<int> KillAsync(
        string source, FaultProxy table, string tableName, SyncTortureOptions options, long started, Task writers, TextWriter log, CancellationToken cancellationToken)
    {
        var random = new Random(options.Seed + 1);
        var kills = 0;
        while (Stopwatch.GetElapsedTime(started) < options.Duration && !writers.IsCompleted)
        {
            var left = options.Duration - Stopwatch.GetElapsedTime(started);
            var life = ShortestLife + ((options.LongestLife - ShortestLife) * random.NextDouble());
            using var worker = new WorkerProcess(WorkerName, source, table.Url, tableName, "follow");
            await Task.WhenAny(worker.ExitedAsync(cancellationToken), Task.Delay(life < left ? life : left, cancellationToken));
            _ = table.Faults.DeliverLateAsync();
            worker.Kill();
            await worker.EndAsync(cancellationToken);
            kills++;
            await log.WriteLineAsync(FormattableString.Invariant($"kill {kills} after {life.TotalSeconds:0.0} s: {worker.LastLine}"));
        }

        return kills;
    }
}
