using System.Threading.Channels;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;

namespace BillingMigration.Tests.Sync;

/// <summary>A snapshot that takes the place of another one: who worked on that one ends, and what it left in the table goes.</summary>
public sealed class RestartTests(TestServers servers)
{
    private const long Rows = 500;

    private static readonly SnapshotOptions Restart = new() { Restart = true };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_restart_does_not_begin_while_the_changes_of_the_old_run_are_followed()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        var first = await scenario.ExportAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var reports = Channel.CreateUnbounded<SyncProgress>();
        await using var session = await scenario.Migration.ConnectAsync();
        var follower = new ChangeFollower(session, new SyncOptions { Until = null, Follow = true }).RunAsync(new Reports(reports.Writer), stop.Token);
        await Task.WhenAny(reports.Reader.ReadAsync(Cancel).AsTask(), follower);

        var refused = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync(Restart));

        Assert.Equal("LeaseHeld", refused.ErrorId);
        Assert.Contains("'SYNC'", refused.Message, StringComparison.Ordinal);
        Assert.Equal(first.RunId, (await scenario.ExportAsync()).RunId);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => follower);
        Assert.NotEqual(first.RunId, (await scenario.ExportAsync(Restart)).RunId);
    }

    /// <summary>Rows that were deleted while nobody followed, items under a key of an old definition, and a whole table that another control table wrote.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_the_old_run_left_is_gone_before_the_table_is_called_consistent(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        await scenario.ExportAsync();
        await scenario.Database.ExecuteAsync("DELETE FROM charge WHERE charge_id % 7 = 0");
        var item = (await scenario.Migration.Client.ScanAsync(new ScanRequest { TableName = scenario.Migration.Table }, Cancel)).Items.First(i => i["entity"].S == "CHARGE");
        item["sk"] = new AttributeValue($"OLDER#{item["sk"].S}");
        await scenario.Migration.Client.PutItemAsync(scenario.Migration.Table, item, Cancel);

        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync(Restart)).Outcome);
        var result = await scenario.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        Assert.True(result.ItemsDeleted > 1, $"{result.ItemsDeleted} deleted");
        await scenario.AssertEqualAsync();
    }

    [Fact]
    public async Task A_table_with_items_of_something_else_is_refused_until_told_and_they_stay()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        var foreign = new Dictionary<string, AttributeValue> { ["pk"] = new("INVOICE#1"), ["sk"] = new("INVOICE"), ["entity"] = new("SOMETHING_ELSE") };
        await scenario.Migration.Client.PutItemAsync(scenario.Migration.Table, foreign, Cancel);

        var refused = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync());
        Assert.Equal("TableHoldsItems", refused.ErrorId);
        Assert.Empty(await scenario.RangesAsync());

        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync(Restart)).Outcome);
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        Assert.True((await scenario.Migration.Client.GetItemAsync(scenario.Migration.Table, new() { ["pk"] = foreign["pk"], ["sk"] = foreign["sk"] }, Cancel)).IsItemSet);
        await scenario.Migration.Client.DeleteItemAsync(scenario.Migration.Table, new() { ["pk"] = foreign["pk"], ["sk"] = foreign["sk"] }, Cancel);
        await scenario.AssertEqualAsync();
    }
}
