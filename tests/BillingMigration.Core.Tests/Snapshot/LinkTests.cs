using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Transfer;

namespace BillingMigration.Tests.Snapshot;

/// <summary>A link of 2 Mbit/s and 300 ms, which source and table share: everything takes its time, and nothing is sent twice.</summary>
public sealed class LinkTests(TestServers servers, ITestOutputHelper output)
{
    private const long Rows = 8_000;

    /// <summary>Bytes on the link for a byte of payload: keys, headers of requests and control data are part of it.</summary>
    private const double Most = 1.3;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Export_sync_and_comparison_end_without_a_batch_sent_twice()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var ways = Ways.Open(scenario);

        var (exportLink, exported) = await OverNarrowLinkAsync(ways, () => scenario.ExportAsync(through: ways.Definition));
        var payload = exported.Bytes;
        Report("export", exportLink, payload);
        Assert.Equal((SnapshotOutcome.Complete, Rows), (exported.Outcome, exported.Items));
        Assert.InRange(exportLink.BytesUp, payload, payload * Most);

        await scenario.Database.ExecuteAsync("UPDATE charge SET description = CONCAT('changed ', charge_id)");
        var (syncLink, synced) = await OverNarrowLinkAsync(ways, async () =>
        {
            await using var session = await ConnectAsync(scenario, ways);
            return await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), Cancel);
        });
        Report("sync", syncLink, payload);
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (synced.Outcome, synced.State));
        Assert.InRange(syncLink.BytesUp, 0, payload * Most);

        var (comparisonLink, compared) = await OverNarrowLinkAsync(ways, async () =>
        {
            await using var session = await ConnectAsync(scenario, ways);
            return await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), Cancel);
        });
        Report("comparison", comparisonLink, exportLink.BytesDown + payload);
        Assert.True(compared.Verdict.Passed, compared.Reason);
        Assert.InRange(comparisonLink.BytesDown, 0, (exportLink.BytesDown + payload) * Most);
    }

    private static Task<MigrationSession> ConnectAsync(Scenario scenario, Ways ways) => MigrationSession.ConnectAsync(
        ways.Definition, scenario.Migration.Credential, SampleMigration.Access, new RetryPolicy(), TimeProvider.System, Cancel);

    private static async Task<(SharedLink Link, T Result)> OverNarrowLinkAsync<T>(Ways ways, Func<Task<T>> job)
    {
        var link = new SharedLink(250_000);
        foreach (var way in new[] { ways.Source, ways.Table })
        {
            way.Faults.Latency = TimeSpan.FromMilliseconds(150);
            way.Faults.Link = link;
        }

        return (link, await job());
    }

    private void Report(string job, SharedLink link, long payload) =>
        output.WriteLine($"{job}: {link.BytesUp:N0} bytes up, {link.BytesDown:N0} down, payload {payload:N0}");
}
