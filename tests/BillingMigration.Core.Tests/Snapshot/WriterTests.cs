using BillingMigration.Snapshot;
using BillingMigration.Testing;
using SampleBilling;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Applications change the source at full speed while it is exported.</summary>
public sealed class WriterTests(TestServers servers, ITestOutputHelper output)
{
    private const long Rows = 10_000;
    private const int MostVersions = 8_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_item_is_a_version_that_existed_and_every_row_from_before_the_start_is_there(bool mariaDb)
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        var log = await VersionLog.CreateAsync(scenario.Database);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var writers = SampleDatabase.RunWritersAsync(scenario.Database.ConnectionString, 4, seed: 5, stop.Token);
        while (await log.CountAsync() < 3_000)
        {
            // What is changed before the start matters too: an item must not be older than that.
            cancel.ThrowIfCancellationRequested();
        }

        var before = await log.ReadAsync();
        // Slowed down, so that much changes meanwhile; and however fast the writers are, they leave some rows alone.
        var export = scenario.ExportAsync(new SnapshotOptions { RowsPerRange = 500, ItemsPerSecond = 1_500 });
        while (!export.IsCompleted && await log.CountAsync() < before.Count + MostVersions)
        {
            cancel.ThrowIfCancellationRequested();
        }

        await stop.CancelAsync();
        await writers;
        var result = await export;
        var after = await log.CountAsync();

        Assert.Equal(SnapshotOutcome.Complete, result.Outcome);
        var finding = await VersionCheck.FindAsync(before, log, scenario.Migration);
        output.WriteLine($"{after - before.Count} versions during the export; {finding.Items} items, {finding.Unchanged} rows unchanged since before the start, {finding.Changed} items of rows changed since");
        Assert.Empty(finding.Violations);
        Assert.True(finding.Unchanged > 500 && finding.Changed > 20, "too little happened for the check to mean anything");
    }
}
