using System.Diagnostics;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Torture;

public sealed record ExportTortureOptions
{
    public int Kills { get; init; } = 50;

    /// <summary>Rows of the sample database.</summary>
    public long Rows { get; init; } = 200_000;

    /// <summary>Of the rows and of the moments.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Workers that are frozen while they write, and woken when others have ended their work.</summary>
    public int Freezes { get; init; } = 1;

    /// <summary>Times that the ways to source and table are silent for <see cref="OutageTime"/> while a worker writes.</summary>
    public int Outages { get; init; }

    public TimeSpan OutageTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Part of the requests that are held on the way until their senders have given them up, and then delivered if they still can be.</summary>
    public double Late { get; init; } = 0.002;

    /// <summary>Stretches the export, so that all the kills fall inside it.</summary>
    public double ItemsPerSecond { get; init; } = 4_000;
}

/// <param name="Moments">Kills by what the export was doing.</param>
/// <param name="Late">Requests that were held on the way and taken back by their senders, and those that arrived after all.</param>
/// <param name="Exports">How many exports it took to place all kills.</param>
public sealed record ExportTortureResult(
    int Kills, IReadOnlyDictionary<KillMoment, int> Moments, int Freezes, int Outages, int Cuts, (long TakenBack, long Arrived) Late, int Exports, long Rows, IReadOnlyList<string> Differences, TimeSpan Duration)
{
    public override string ToString()
    {
        var moments = string.Join(", ", Moments.OrderBy(m => m.Key).Select(m => $"{m.Value} {m.Key}"));
        return FormattableString.Invariant($"{Kills} kills ({moments}), {Freezes} frozen, {Outages} outages, {Cuts} cuts, {Late.TakenBack} late requests taken back and {Late.Arrived} not, in {Exports} exports of {Rows:N0} rows, {Differences.Count} differences, {Duration.TotalSeconds:0} s");
    }
}

/// <summary>Kills exports at random moments, starts them again, and looks at what is in the table at the end.</summary>
public static class ExportTorture
{
    public static async Task<ExportTortureResult> RunAsync(
        SqlServerProcess source, Uri dynamoDb, ExportTortureOptions options, TextWriter log, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        await using var database = await source.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, options.Rows, options.Seed, cancellationToken: cancellationToken);
        await using var sourceWay = FaultProxy.Start(source.Host, source.Port, ProxiedProtocol.Tcp);
        await using var proxy = FaultProxy.Start(dynamoDb.Host, dynamoDb.Port, ProxiedProtocol.Http);
        var through = new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)sourceWay.Port }.ConnectionString;
        using var late = proxy.Faults.Sometimes(options.Late, options.Seed, HttpFault.Late, "BatchWriteItem");
        await using var cuts = new Cuts([sourceWay.Faults, proxy.Faults], options.Seed);
        var trouble = new ExportTrouble(proxy, cuts, options, log);
        var random = new Random(options.Seed);
        var moments = Enum.GetValues<KillMoment>().ToDictionary(m => m, _ => 0);
        var differences = new List<string>();
        var exports = 0;
        do
        {
            // An export that ended before its last kill is complete, and correct or not; another one takes the kills that are left.
            exports++;
            await using var migration = SampleMigration.Create(database.ConnectionString, dynamoDb);
            await migration.InitializeAsync();
            var plan = new KillPlan(options.Kills - moments.Values.Sum(), random);
            await KillToTheEndAsync(migration, through, proxy.Url, options, plan, trouble, moments, log, cancellationToken);
            differences.AddRange(await ExportCheck.FindDifferencesAsync(migration, database.ConnectionString));
            await migration.DropAsync();
        }
        while (moments.Values.Sum() < options.Kills);
        return new(moments.Values.Sum(), moments, trouble.Frozen, cuts.Outages, cuts.Count, (proxy.Faults.TakenBack, proxy.Faults.ArrivedLate), exports, options.Rows, differences, Stopwatch.GetElapsedTime(started));
    }

    private static async Task KillToTheEndAsync(
        SampleMigration migration, string source, Uri dynamoDb, ExportTortureOptions options, KillPlan plan, ExportTrouble trouble, Dictionary<KillMoment, int> moments, TextWriter log, CancellationToken cancellationToken)
    {
        long written = 0;
        var typical = TimeSpan.FromMilliseconds(500);
        while (plan.Next is { } moment)
        {
            if (moment == KillMoment.Running && await trouble.MakeAsync(() => new ExportWorkerProcess(source, dynamoDb, migration.Table, options.ItemsPerSecond, moment, written + 1, options.Rows), cancellationToken))
            {
                continue;
            }

            var order = plan.Draw(written, options.Rows, typical);
            using var worker = new ExportWorkerProcess(source, dynamoDb, migration.Table, options.ItemsPerSecond, moment, order.Items, options.Rows);
            var end = await worker.KillAsync(order.After, cancellationToken);
            trouble.DeliverLate();
            typical = worker.ConnectedAfter ?? typical;
            written = worker.Items ?? written;
            if (end == WorkerEnd.TryAgain)
            {
                continue;
            }

            if (end == WorkerEnd.Complete)
            {
                await trouble.WakeAsync(cancellationToken);
                return;
            }

            plan.Done();
            moments[worker.Phase]++;
            await log.WriteLineAsync(FormattableString.Invariant($"kill {moments.Values.Sum()}: {worker.Phase}, {written:N0} items written"));
        }

        WorkerEnd lastEnd;
        do
        {
            using var last = new ExportWorkerProcess(source, dynamoDb, migration.Table, options.ItemsPerSecond, null, 0, options.Rows);
            lastEnd = await last.LiveAsync(cancellationToken);
        }
        while (lastEnd == WorkerEnd.TryAgain);
        await trouble.WakeAsync(cancellationToken);
    }
}
