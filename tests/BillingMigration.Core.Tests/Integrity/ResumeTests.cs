using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;

namespace BillingMigration.Tests.Integrity;

/// <summary>A comparison that was stopped is gone on with: nothing is read twice, and nothing is lost.</summary>
public sealed class ResumeTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stopped_comparison_goes_on_and_finds_what_was_planted()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 2_000);
        await scenario.ExportAsync();
        var charge = (await scenario.ItemsAsync("CHARGE"))[5];
        await scenario.PutAsync(new(charge) { ["amount"] = new() { N = "1" } });

        var stopped = await scenario.CheckAsync(new IntegrityOptions { MaxDuration = TimeSpan.FromTicks(1), RowsPerRange = 100 });
        Assert.Equal((IntegrityOutcome.Stopped, false), (stopped.Outcome, stopped.Passed));
        await HalfAsync(scenario);

        var found = await scenario.CheckAsync();
        Assert.Equal(charge["sk"].S, Assert.Single(found.Differences).SortKey);
        Assert.Equal((2_000L, 2_000L), (found.Entities.Sum(e => e.Rows), found.Entities.Sum(e => e.Items)));
        Assert.Equal(stopped.Verdict.From, found.Verdict.From);

        // What was kept is forgotten with the verdict.
        await scenario.PutAsync(charge);
        Assert.True((await scenario.CheckAsync()).Passed);
    }

    /// <summary>Stops in the middle: at the first report that shows some rows and items, by the clock that the limit of time is measured with.</summary>
    private static async Task HalfAsync(Scenario scenario)
    {
        var time = new TimeWithTrigger();
        await using var session = await MigrationSession.ConnectAsync(
            scenario.Migration.Definition, scenario.Migration.Credential, SampleMigration.Access, new BillingMigration.Transfer.RetryPolicy(), time, Cancel);
        var options = new IntegrityOptions { MaxDuration = TimeWithTrigger.Triggered, RowsPerRange = 100, ReadUnitsPerSecond = 150 };
        var stopped = await new IntegrityChecker(session, options).RunAsync(new Trigger(time), Cancel);
        Assert.Equal(IntegrityOutcome.Stopped, stopped.Outcome);
    }

    private sealed class Trigger(TimeWithTrigger time) : IProgress<IntegrityProgress>
    {
        private int fired;

        public void Report(IntegrityProgress value)
        {
            if (value is { Rows: > 0, Items: > 0 } && Interlocked.Exchange(ref fired, 1) == 0)
            {
                time.Fire();
            }
        }
    }
}
