using System.Globalization;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
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
public sealed class IntegrityTorture(SampleMigration migration, TestDatabase database, int seed, TextWriter log)
{
    private const int ChangesPerSecond = 500;
    private const int PlantedUnderTraffic = 20;

    public static async Task<IntegrityTorture> CreateAsync(
        SqlServerProcess server, Uri endpoint, long rows, int seed, TextWriter log, CancellationToken cancellationToken)
    {
        var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, rows, seed, cancellationToken: cancellationToken);
        await database.ExecuteAsync($"ANALYZE TABLE {string.Join(", ", SampleDatabase.Tables)}");
        var migration = SampleMigration.Create(database.ConnectionString, endpoint);
        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        var exported = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await log.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"exported {exported.Items:N0} items in {exported.Duration.TotalSeconds:N0} s"));
        return new IntegrityTorture(migration, database, seed, log);
    }

    /// <summary>On a quiet source.</summary>
    public async Task<IntegrityTortureResult> CorruptAsync(int faults, CancellationToken cancellationToken)
    {
        var planted = await new Corruptor(migration, seed).PlantAsync(faults, cancellationToken);
        var found = await CheckAsync(cancellationToken);
        var keys = found.Differences.Select(d => $"{d.PartitionKey} {d.SortKey}").ToArray();
        var repaired = await RepairAsync(found, cancellationToken);
        var again = await CheckAsync(cancellationToken);
        return new IntegrityTortureResult(planted.Count, planted.Except(keys).Count(), keys.Except(planted).Count(), repaired, again.Verdict.Differences + again.Verdict.Undecided);
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
                var clean = await CheckAsync(cancellationToken);
                invented += (int)(clean.Verdict.Differences + clean.Verdict.Undecided);
            }

            var planted = await new Corruptor(migration, seed, oddOnly: true).PlantAsync(PlantedUnderTraffic, cancellationToken);
            var found = await CheckAsync(cancellationToken);
            var keys = found.Differences.Select(d => $"{d.PartitionKey} {d.SortKey}").ToArray();
            var repaired = await RepairAsync(found, cancellationToken);
            var again = await CheckAsync(cancellationToken);
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

    private async Task<IntegrityResult> CheckAsync(CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);
        await log.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Outcome}: {result.Entities.Sum(e => e.Rows):N0} rows, {result.Verdict.Differences:N0} differences, {result.Verdict.Undecided:N0} undecided, {result.Duration.TotalSeconds:N1} s {result.Reason}"));
        return result;
    }

    private async Task<int> RepairAsync(IntegrityResult found, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        await using var repairer = await ItemRepairer.OpenAsync(session, allowDelete: true, cancellationToken);
        var repaired = 0;
        foreach (var difference in found.Differences)
        {
            repaired += (await repairer.RepairAsync(difference, cancellationToken)).Outcome == RepairOutcome.Repaired ? 1 : 0;
        }

        return repaired;
    }
}
