using System.Globalization;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Torture;

/// <param name="Missed">Planted faults that were not found.</param>
/// <param name="Invented">Differences where nothing was planted.</param>
/// <param name="Left">Differences after the repair.</param>
public sealed record IntegrityTortureResult(int Planted, int Missed, int Invented, int Repaired, long Left)
{
    public bool Held => Missed == 0 && Invented == 0 && Left == 0;
}

/// <summary>Plants faults in a table, and sees whether the comparison finds exactly these, the repair mends them, and traffic is no fault.</summary>
public sealed class IntegrityTorture : IAsyncDisposable
{
    /// <summary>A lease lasts a minute.</summary>
    private static readonly TimeSpan FrozenTime = TimeSpan.FromSeconds(75);

    private static readonly TimeSpan OutageTime = TimeSpan.FromMinutes(2);

    /// <summary>Part of the repairs whose requests are held on the way until they are late.</summary>
    private const double Late = 0.002;

    /// <summary>DynamoDB Local sorts all of a partition for every page of it: the hundred pages of a larger one take minutes.</summary>
    private const int LargestAccount = 10_000;

    private const int ChangesPerSecond = 500;
    private const int PlantedUnderTraffic = 20;

    private readonly SampleMigration migration;
    private readonly TestDatabase database;
    private readonly int seed;
    private readonly TextWriter log;
    private readonly FaultProxy sourceWay;
    private readonly FaultProxy tableWay;
    private readonly SampleMigration through;

    private IntegrityTorture(SqlServerProcess server, TestDatabase database, SampleMigration migration, int seed, TextWriter log)
    {
        (this.migration, this.database, this.seed, this.log) = (migration, database, seed, log);
        var endpoint = migration.Definition.Target.EndpointUrl!;
        sourceWay = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        tableWay = FaultProxy.Start(endpoint.Host, endpoint.Port, ProxiedProtocol.Http);
        through = SampleMigration.Create(Through, tableWay.Url);
        through.Definition = through.Definition with { Target = through.Definition.Target with { Table = migration.Table } };
    }

    private string Through => new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)sourceWay.Port }.ConnectionString;

    public static async Task<IntegrityTorture> CreateAsync(
        SqlServerProcess server, Uri endpoint, long rows, int seed, TextWriter log, CancellationToken cancellationToken)
    {
        var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, rows, seed, largestAccount: LargestAccount, cancellationToken: cancellationToken);
        await database.ExecuteAsync($"ANALYZE TABLE {string.Join(", ", SampleDatabase.Tables)}");
        var migration = SampleMigration.Create(database.ConnectionString, endpoint);
        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        var exported = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await log.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"exported {exported.Items:N0} items in {exported.Duration.TotalSeconds:N0} s"));
        return new IntegrityTorture(server, database, migration, seed, log);
    }

    /// <summary>
    /// On a quiet source, over ways that are cut every few seconds: one comparison is frozen past its lease, another goes through an outage, and of the repairs some requests are late.
    /// </summary>
    public async Task<IntegrityTortureResult> CorruptAsync(int faults, CancellationToken cancellationToken)
    {
        var planted = await new Corruptor(migration, seed).PlantAsync(faults, cancellationToken);
        IntegrityResult found;
        string[] seenFrozen;
        int repaired;
        await using (var cuts = new Cuts([sourceWay.Faults, tableWay.Faults], seed))
        {
            seenFrozen = await CheckFrozenAsync(cancellationToken);
            found = await CheckAsync(through, new AfterRows(() => cuts.OutageAsync(OutageTime, cancellationToken)), cancellationToken);
            using var late = tableWay.Faults.Sometimes(Late, seed, HttpFault.Late);
            repaired = await RepairAsync(through, found, cancellationToken);
            await log.WriteLineAsync($"{cuts.Count} cuts, {cuts.Outages} outages, {late.Hits} requests held");
        }

        await tableWay.Faults.DeliverLateAsync();
        var keys = found.Differences.Select(d => $"{d.PartitionKey} {d.SortKey}").ToArray();
        var again = await CheckAsync(migration, new Progress<IntegrityProgress>(), cancellationToken);
        return new IntegrityTortureResult(
            planted.Count, planted.Except(keys).Union(planted.Except(seenFrozen)).Count(), keys.Union(seenFrozen).Except(planted).Count(), repaired,
            again.Verdict.Differences + again.Verdict.Undecided);
    }

    /// <summary>While an application writes and the changes are followed.</summary>
    public async Task<IntegrityTortureResult> UnderTrafficAsync(int runs, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writing = EvenWriter.RunAsync(database.ConnectionString, seed, ChangesPerSecond, stop.Token);
        var following = FollowAsync(stop.Token);
        var invented = 0;
        try
        {
            for (var run = 0; run < runs; run++)
            {
                var clean = await CheckAsync(migration, new Progress<IntegrityProgress>(), cancellationToken);
                invented += (int)(clean.Verdict.Differences + clean.Verdict.Undecided);
            }

            var planted = await new Corruptor(migration, seed, oddOnly: true).PlantAsync(PlantedUnderTraffic, cancellationToken);
            var found = await CheckAsync(migration, new Progress<IntegrityProgress>(), cancellationToken);
            var keys = found.Differences.Select(d => $"{d.PartitionKey} {d.SortKey}").ToArray();
            var repaired = await RepairAsync(migration, found, cancellationToken);
            var again = await CheckAsync(migration, new Progress<IntegrityProgress>(), cancellationToken);
            return new IntegrityTortureResult(
                planted.Count, planted.Except(keys).Count(), invented + keys.Except(planted).Count(), repaired, again.Verdict.Differences + again.Verdict.Undecided);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(writing, following).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await log.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{(writing.IsCompletedSuccessfully ? writing.Result : 0):N0} changes were made meanwhile"));
        }
    }

    private async Task FollowAsync(CancellationToken stop)
    {
        await using var session = await migration.ConnectAsync();
        await new ChangeFollower(session, new SyncOptions { Until = null, Follow = true }).RunAsync(new Progress<SyncProgress>(), stop);
    }

    private async Task<IntegrityResult> CheckAsync(SampleMigration way, IProgress<IntegrityProgress> progress, CancellationToken cancellationToken)
    {
        await using var session = await ConnectAsync(way, cancellationToken);
        var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(progress, cancellationToken);
        await log.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Outcome}: {result.Entities.Sum(e => e.Rows):N0} rows, {result.Verdict.Differences:N0} differences, {result.Verdict.Undecided:N0} undecided, {result.Duration.TotalSeconds:N1} s {result.Reason}"));
        return result;
    }

    /// <summary>A comparison that is frozen past its lease when it has begun, and goes on.</summary>
    /// <returns>Keys of the differences that it found.</returns>
    private async Task<string[]> CheckFrozenAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var keys = new List<string>();
            var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var worker = new WorkerProcess("integrity-worker", Through, tableWay.Url, migration.Table, "", line =>
            {
                if (line.StartsWith(IntegrityWorker.Differs, StringComparison.Ordinal))
                {
                    keys.Add(line[IntegrityWorker.Differs.Length..]);
                }

                if (line.StartsWith("rows ", StringComparison.Ordinal) && line != "rows 0")
                {
                    begun.TrySetResult();
                }
            });
            await Task.WhenAny(begun.Task, worker.ExitedAsync(cancellationToken));
            if (begun.Task.IsCompleted)
            {
                await worker.FreezeAsync(cancellationToken);
                await Task.Delay(FrozenTime, cancellationToken);
                await worker.ThawAsync(cancellationToken);
            }

            // The way was cut before it was connected: as a user would, once more.
            if (await worker.EndAsync(cancellationToken) == WorkerEnd.Complete && begun.Task.IsCompleted)
            {
                await log.WriteLineAsync($"frozen for {FrozenTime.TotalSeconds:0} s: {worker.LastLine}, {keys.Count} differences");
                return [.. keys];
            }

            await log.WriteLineAsync($"once more, after: {(await worker.EndedAsync(cancellationToken)).Errors.Split('\n')[0]}");
        }
    }

    private static async Task<MigrationSession> ConnectAsync(SampleMigration way, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await way.ConnectAsync();
            }
            catch (MigrationException e) when (e.Kind == MigrationErrorKind.Unreachable && !cancellationToken.IsCancellationRequested)
            {
                // The way is cut at this moment: as a user would, once more.
            }
        }
    }

    private static async Task<int> RepairAsync(SampleMigration way, IntegrityResult found, CancellationToken cancellationToken)
    {
        await using var session = await ConnectAsync(way, cancellationToken);
        await using var repairer = await ItemRepairer.OpenAsync(session, allowDelete: true, cancellationToken);
        var repaired = 0;
        foreach (var difference in found.Differences)
        {
            repaired += (await repairer.RepairAsync(difference, cancellationToken)).Outcome == RepairOutcome.Repaired ? 1 : 0;
        }

        return repaired;
    }

    public async ValueTask DisposeAsync()
    {
        await through.DisposeAsync();
        await sourceWay.DisposeAsync();
        await tableWay.DisposeAsync();
        await migration.DropAsync();
        await migration.DisposeAsync();
        await database.DisposeAsync();
    }

    /// <summary>Does something once when the first rows are compared.</summary>
    private sealed class AfterRows(Func<Task> act) : IProgress<IntegrityProgress>
    {
        private int begun;

        public void Report(IntegrityProgress value)
        {
            if (value.Rows > 0 && Interlocked.Exchange(ref begun, 1) == 0)
            {
                _ = act();
            }
        }
    }
}
