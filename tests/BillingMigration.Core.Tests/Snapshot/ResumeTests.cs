using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Exports that end before their end, and what the same command, or another one, does then.</summary>
public sealed class ResumeTests(TestServers servers)
{
    private const long Rows = 1_000;

    // Slow enough that it cannot be done before the test stops it.
    private static readonly SnapshotOptions Slow = new() { ItemsPerSecond = 100 };

    // What was read when the time is over is still written: little of it, so that the run does not end by that.
    private static readonly ThrottleDefinition FewUnderWay = new() { Readers = 2, Writers = 2 };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MaxDuration_stops_with_everything_written_checkpointed_and_the_same_command_goes_on()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);

        var stopped = await StopAsync(scenario, Slow);

        Assert.Equal((SnapshotOutcome.Stopped, SnapshotState.Running), (stopped.Outcome, stopped.RunState));
        Assert.InRange(stopped.Items, 1, Rows - 1);
        Assert.Equal(stopped.Items, stopped.Entities.Sum(e => e.Items));

        var ended = await scenario.ExportAsync();
        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete, stopped.RunId), (ended.Outcome, ended.RunState, ended.RunId));
        Assert.Equal(Rows - stopped.Items, ended.Items);
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task Cancelled_it_throws_and_keeps_its_checkpoints()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, Rows);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        var export = await scenario.ExportToCheckpointAsync(Slow, stop.Token);
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => export);
        var kept = (await scenario.RangesAsync()).Sum(r => r.Items);
        Assert.InRange(kept, 1, Rows - 1);
        var ended = await scenario.ExportAsync();
        Assert.Equal((SnapshotOutcome.Complete, Rows - kept), (ended.Outcome, ended.Items));
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task A_complete_run_is_not_done_again_unless_restarted()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, 1_000);
        var first = await scenario.ExportAsync();

        var again = await scenario.ExportAsync();
        Assert.Equal((SnapshotOutcome.Complete, first.RunId, 0L), (again.Outcome, again.RunId, again.Items));

        var restarted = await scenario.ExportAsync(new SnapshotOptions { Restart = true });
        Assert.NotEqual(first.RunId, restarted.RunId);
        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete, 1_000L), (restarted.Outcome, restarted.RunState, restarted.Items));
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task Restart_leaves_a_run_that_was_under_way_and_begins_with_the_first_row()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, Rows);
        var stopped = await StopAsync(scenario, Slow);

        var restarted = await scenario.ExportAsync(new SnapshotOptions { Restart = true });

        Assert.NotEqual(stopped.RunId, restarted.RunId);
        Assert.Equal((SnapshotOutcome.Complete, Rows), (restarted.Outcome, restarted.Items));
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task A_run_does_not_go_on_under_another_model_or_another_number_of_shards()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        var stopped = await StopAsync(scenario, Slow);

        var shards = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync(new SnapshotOptions { ShardCount = 2 }));
        Assert.Equal("SnapshotShardCountChanged", shards.ErrorId);

        await scenario.Database.ExecuteAsync("ALTER TABLE customer ADD COLUMN loyalty INT NULL");
        var model = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync());
        Assert.Equal("SnapshotModelChanged", model.ErrorId);
        Assert.Contains("(column customer.loyalty is new)", model.Message, StringComparison.Ordinal);

        await scenario.Database.ExecuteAsync("ALTER TABLE customer DROP COLUMN loyalty");
        Assert.Equal(stopped.RunId, (await scenario.ExportAsync()).RunId);
        await scenario.AssertWholeAsync();
    }

    /// <summary>Exports until some items are written, and then the time is over.</summary>
    private static Task<SnapshotResult> StopAsync(Scenario scenario, SnapshotOptions options)
    {
        var time = new TimeWithTrigger();
        return scenario.ExportAsync(
            options with { MaxDuration = TimeWithTrigger.Triggered },
            progress =>
            {
                if (progress.Items > 100)
                {
                    time.Fire();
                }
            },
            through: scenario.Migration.Definition with { Throttle = FewUnderWay },
            time: time);
    }
}
