using System.Collections.Concurrent;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Sync;
using BillingMigration.Transfer;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Ways that are silent for a while: jobs pause, say so, and go on.</summary>
public sealed class OutageTests(TestServers servers)
{
    private const long Rows = 1_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Both_sides_silent_for_30_seconds_are_waited_for(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        await using var ways = Ways.Open(scenario);
        // In real time once; twice as fast for the other server.
        var time = new FastTime(mariaDb ? 2 : 1);
        ITimer? end = null;

        var result = await scenario.ExportAsync(
            new SnapshotOptions { ItemsPerSecond = 100 },
            progress =>
            {
                if (progress.Items > 0 && end is null)
                {
                    end = ways.SilenceFor(TimeSpan.FromSeconds(30), time);
                }
            },
            ways.Definition,
            time: time);

        Assert.NotNull(end);
        await end.DisposeAsync();
        Assert.Equal((SnapshotOutcome.Complete, Rows), (result.Outcome, result.Items));
        await scenario.AssertWholeAsync();
    }

    /// <summary>Longer than a lease holds without a renewal: nobody else wants it, so it is this worker's again.</summary>
    [Fact]
    public async Task Both_sides_silent_for_two_minutes_pause_the_export_and_it_goes_on()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var ways = Ways.Open(scenario);
        var time = new FastTime(8);
        ITimer? end = null;
        var waits = new ConcurrentBag<string?>();

        var result = await scenario.ExportAsync(
            new SnapshotOptions { ItemsPerSecond = 50 },
            progress =>
            {
                waits.Add(progress.Waiting);
                if (progress.Items > 0 && end is null)
                {
                    end = ways.SilenceFor(TimeSpan.FromMinutes(2), time);
                }
            },
            ways.Definition,
            time: time);

        Assert.NotNull(end);
        await end.DisposeAsync();
        Assert.Equal((SnapshotOutcome.Complete, Rows), (result.Outcome, result.Items));
        Assert.Contains(Lease.PausedText, waits);
        await scenario.AssertWholeAsync();
    }

    /// <summary>A runbook has no time to wait until the table is back: it ends when it was told to, and the next one goes on.</summary>
    [Fact]
    public async Task The_time_limit_ends_an_export_and_a_sync_in_an_outage_too()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var ways = Ways.Open(scenario);
        var time = new FastTime(8);

        var stopped = await scenario.ExportAsync(
            new SnapshotOptions { ItemsPerSecond = 50, MaxDuration = TimeSpan.FromMinutes(1) },
            progress =>
            {
                if (progress.Items > 0)
                {
                    ways.Table.Faults.BlackHole = true;
                }
            },
            ways.Definition,
            time: time);
        Assert.Equal(SnapshotOutcome.Stopped, stopped.Outcome);
        ways.Table.Faults.BlackHole = false;
        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync()).Outcome);
        await scenario.AssertWholeAsync();

        await scenario.Database.ExecuteAsync("UPDATE charge SET description = CONCAT('changed ', charge_id)");
        await using (var session = await MigrationSession.ConnectAsync(ways.Definition, scenario.Migration.Credential, SampleMigration.Access, new RetryPolicy(), time, Cancel))
        {
            using var silent = ways.Table.Faults.While(HttpFault.Swallow, "BatchWriteItem");
            var synced = await new ChangeFollower(session, new SyncOptions { MaxDuration = TimeSpan.FromMinutes(1) }).RunAsync(new Progress<SyncProgress>(), Cancel);
            Assert.Equal(SyncOutcome.Stopped, synced.Outcome);
        }

        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    /// <summary>The stream and the table silent for longer than the lease: the sync pauses, and goes on.</summary>
    [Fact]
    public async Task Both_sides_silent_for_two_minutes_pause_the_sync_and_it_goes_on()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await scenario.ExportAsync();
        await using var ways = Ways.Open(scenario);
        await scenario.Database.ExecuteAsync("UPDATE charge SET description = CONCAT('changed ', charge_id)");
        var time = new FastTime(8);
        ITimer? end = null;
        var waits = new ConcurrentBag<string?>();
        await using var session = await MigrationSession.ConnectAsync(ways.Definition, scenario.Migration.Credential, SampleMigration.Access, new RetryPolicy(), time, Cancel);

        var synced = await new ChangeFollower(session, new SyncOptions { ItemsPerSecond = 20 }).RunAsync(
            new OnProgress<SyncProgress>(progress =>
            {
                waits.Add(progress.Waiting);
                if (end is null)
                {
                    end = ways.SilenceFor(TimeSpan.FromMinutes(2), time);
                }
            }),
            Cancel);

        await end!.DisposeAsync();
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (synced.Outcome, synced.State));
        Assert.Contains(Lease.PausedText, waits);
        await scenario.AssertEqualAsync();
    }
}
