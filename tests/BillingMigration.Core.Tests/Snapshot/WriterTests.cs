using BillingMigration.Snapshot;
using BillingMigration.Testing;
using SampleBilling;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Applications change the source at full speed while it is exported.</summary>
public sealed class WriterTests(TestServers servers, ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_item_is_a_version_that_existed_and_every_row_from_before_the_start_is_there(bool mariaDb)
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, 3_000);
        var log = await VersionLog.CreateAsync(scenario.Database);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var writers = SampleDatabase.RunWritersAsync(scenario.Database.ConnectionString, 4, seed: 5, stop.Token);
        while (await log.CountAsync() < 3_000)
        {
            // What is changed before the start matters too: an item must not be older than that.
            cancel.ThrowIfCancellationRequested();
        }

        var before = await log.ReadAsync();
        // Slowed down, so that much changes meanwhile.
        var result = await scenario.ExportAsync(new SnapshotOptions { RowsPerRange = 250, ItemsPerSecond = 500 });
        var after = await log.CountAsync();
        await stop.CancelAsync();
        await writers;

        Assert.Equal(SnapshotOutcome.Complete, result.Outcome);
        var finding = await VersionCheck.FindAsync(before, log, scenario.Migration);
        output.WriteLine($"{after - before.Count} versions during the export; {finding.Items} items, {finding.Unchanged} rows unchanged since before the start, {finding.Changed} items of rows changed since");
        Assert.Empty(finding.Violations);
        Assert.True(finding.Unchanged > 500 && finding.Changed > 20, "too little happened for the check to mean anything");
    }
}
