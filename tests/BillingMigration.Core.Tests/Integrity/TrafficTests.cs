using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Tests.Sync;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Integrity;

/// <summary>While applications write and the changes are followed, what is on its way is no difference, and what is planted is one.</summary>
public sealed class TrafficTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Under_traffic_only_planted_faults_are_differences()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 2_000);
        await scenario.ExportAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var writing = EvenWriter.RunAsync(scenario.Database.ConnectionString, seed: 3, perSecond: null, stop.Token);
        var following = scenario.SyncAsync(new SyncOptions { Until = null, Follow = true }, stop.Token);
        try
        {
            var clean = await scenario.CheckAsync();
            Assert.Empty(clean.Differences);
            Assert.True(clean.Passed, clean.Reason);
            Assert.False(clean.Verdict.Exact);

            var odd = (await scenario.ItemsAsync("CHARGE")).Where(c => c["charge_id"].N[^1] is '1' or '3' or '5' or '7' or '9').Take(20).ToList();
            foreach (var charge in odd)
            {
                await scenario.PutAsync(new(charge) { ["description"] = new(charge["description"].S + " ") });
            }

            var found = await scenario.CheckAsync();
            Assert.Equal(IntegrityOutcome.Failed, found.Outcome);
            Assert.Equal(odd.Select(c => c["sk"].S).Order(StringComparer.Ordinal), found.Differences.Select(d => d.SortKey).Order(StringComparer.Ordinal));
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(writing, following).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }

        Assert.True(await writing > 0);
    }
}
