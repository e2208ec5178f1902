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

    /// <summary>What differs is mended while an application writes; the follower is the same one, and what is asked for is in its checkpoint.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_entity_begins_anew_under_the_running_stream(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        var run = (await scenario.ExportAsync()).RunId;
        await scenario.SyncAsync();
        await SpoilAsync(scenario);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var reports = Channel.CreateUnbounded<SyncProgress>();
        await using var session = await scenario.Migration.ConnectAsync();
        var follower = new ChangeFollower(session, new SyncOptions { Until = null, Follow = true }).RunAsync(new Reports(reports.Writer), stop.Token);
        await ConsistentAsync(session, run, reports.Reader, follower);

        var left = await scenario.ExportAsync(new SnapshotOptions { Restart = true, Entities = ["CHARGE"] });
        Assert.Equal((SnapshotOutcome.LeftToSync, run, 0), (left.Outcome, left.RunId, left.Items));
        await scenario.Database.ExecuteAsync("UPDATE charge SET description = 'changed meanwhile' WHERE charge_id % 2 = 0");
        await ConsistentAsync(session, run, reports.Reader, follower);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => follower);
        await scenario.SyncAsync();
        Assert.Empty(await session.Control.ListRestartsAsync(run, Cancel));
        await scenario.AssertEqualAsync();
    }

    /// <summary>Nobody follows: the state says at once that a comparison is due, and the next command does it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_entity_that_was_asked_for_is_compared_by_the_next_sync(bool followedBefore)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await scenario.ExportAsync();
        if (followedBefore)
        {
            await scenario.SyncAsync();
        }

        await SpoilAsync(scenario);
        var charges = new SnapshotOptions { Restart = true, Entities = ["CHARGE"] };
        Assert.Contains("Sync-BillingChanges is asked to compare CHARGE", (await scenario.PlanAsync(charges)).Notes[0], StringComparison.Ordinal);
        var run = (await scenario.ExportAsync(charges)).RunId;

        await using var session = await scenario.Migration.ConnectAsync();
        Assert.Equal(followedBefore ? SyncState.Converging : null, (await MigrationState.ReadAsync(session, countItems: false, Cancel)).Sync?.State);
        var result = await scenario.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent, run), (result.Outcome, result.State, result.RunId));
        await scenario.AssertEqualAsync();
        Assert.Equal(SyncState.Consistent, (await session.Control.FindSyncAsync(run, Cancel))?.State);
    }

    /// <summary>The rows of the entity that are written already are read once more; those of others are not.</summary>
    [Fact]
    public async Task An_entity_of_a_snapshot_under_way_is_read_from_the_first_row()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        var run = (await scenario.ExportAsync(new SnapshotOptions { Entities = ["CHARGE", "BILL"] })).RunId;
        var charges = (await scenario.RangesAsync()).Where(r => r.Entity == "CHARGE").Sum(r => r.Items);

        var again = await scenario.ExportAsync(new SnapshotOptions { Restart = true, Entities = ["CHARGE"] });

        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Running, run, charges), (again.Outcome, again.RunState, again.RunId, again.Items));
        Assert.Equal(SnapshotState.Complete, (await scenario.ExportAsync()).RunState);
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
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

    /// <summary>Loses a charge, changes another, and leaves one over.</summary>
    private static async Task SpoilAsync(Scenario scenario)
    {
        var (client, table) = (scenario.Migration.Client, scenario.Migration.Table);
        var charges = (await client.ScanAsync(new ScanRequest { TableName = table }, Cancel)).Items.Where(i => i["entity"].S == "CHARGE").Take(3).ToArray();
        await client.DeleteItemAsync(table, new() { ["pk"] = charges[0]["pk"], ["sk"] = charges[0]["sk"] }, Cancel);
        charges[1]["description"] = new AttributeValue("spoilt");
        charges[2]["sk"] = new AttributeValue($"OLDER#{charges[2]["sk"].S}");
        await client.PutItemAsync(table, charges[1], Cancel);
        await client.PutItemAsync(table, charges[2], Cancel);
    }

    /// <summary>Looks at what the control table says with each report, until it says Consistent.</summary>
    private static async Task ConsistentAsync(MigrationSession session, string run, ChannelReader<SyncProgress> reports, Task follower)
    {
        do
        {
            var next = reports.ReadAsync(Cancel).AsTask();
            if (await Task.WhenAny(next, follower) == follower)
            {
                await follower;
            }

            await next;
        }
        while ((await session.Control.FindSyncAsync(run, Cancel))?.State != SyncState.Consistent);
    }
}
