using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Target;
using BillingMigration.Tests.Target;
using BillingMigration.Transfer;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BillingMigration.Tests.Control;

public sealed class ControlTableTests(DynamoDbLocalFixture server) : IAsyncLifetime
{
    private static readonly LeaseHolder Elsewhere = new("otherhost", "another-boot", "pid:[1]", 4711, "99", "svc-billing");
    private static readonly SourcePosition Position = new() { Flavor = SourceFlavor.MariaDb, ServerIdentity = "1", Gtid = "0-1-17", File = "bin.000003", Offset = 4711 };

    // Time stands still: no lease renews or runs out by itself.
    private readonly FakeTimeProvider time = new();
    private TargetConnection target = null!;
    private string table = null!;
    private ControlTable control = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        target = await server.ConnectAsync();
        table = await DynamoDbLocalFixture.CreateTableAsync(target.Client);
        control = new ControlTable(target.Client, table, "test", time);
    }

    public ValueTask DisposeAsync() => target.DisposeAsync();

    [Fact]
    public async Task A_run_is_read_as_it_was_written()
    {
        Assert.Null(await control.FindSnapshotAsync(Token));
        var begun = await control.BeginSnapshotAsync(Run("r1"), Token);
        Equal(Run("r1"), begun);
        Equal(begun, await control.FindSnapshotAsync(Token));
    }

    [Fact]
    public async Task Workers_that_begin_at_the_same_time_agree_on_one_run()
    {
        var runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => control.BeginSnapshotAsync(Run($"r{i}"), Token)));
        Assert.Single(runs.Select(r => r.RunId).Distinct());
    }

    [Fact]
    public async Task A_running_run_is_replaced_only_by_one_who_has_seen_it()
    {
        await control.BeginSnapshotAsync(Run("r1"), Token);
        Assert.Equal("r1", (await control.BeginSnapshotAsync(Run("r2"), Token)).RunId);
        Assert.Equal("r1", (await control.BeginSnapshotAsync(Run("r2"), null, Token)).RunId);
        Assert.Equal("r2", (await control.BeginSnapshotAsync(Run("r2"), "r1", Token)).RunId);
        Assert.Equal("r2", (await control.BeginSnapshotAsync(Run("r3"), "r1", Token)).RunId);
    }

    [Fact]
    public async Task Workers_that_plan_the_same_entity_agree_on_one_plan_and_leave_nothing_of_the_others()
    {
        await control.BeginSnapshotAsync(Run("r1"), Token);
        var plans = await Task.WhenAll(Enumerable.Range(1, 6).Select(n => control.PlanRangesAsync("r1", "CHARGE", Ranges(n * 3), Token)));
        var chosen = plans[0].Length;
        Assert.All(plans, p => Assert.Equal(chosen, p.Length));
        Assert.Equal(chosen, (await control.PlanRangesAsync("r1", "CHARGE", Ranges(50), Token)).Length);
        Assert.Equal(["CHARGE"], (await control.FindSnapshotAsync(Token))!.PlannedEntities);
        var stored = await target.Client.QueryAsync(
            new QueryRequest
            {
                TableName = table,
                KeyConditionExpression = "pk = :p AND begins_with(sk, :s)",
                ExpressionAttributeValues = new() { [":p"] = new("MIGRATION#test"), [":s"] = new("SNAPSHOT#r1#RANGE#") },
            },
            Token);
        Assert.Equal(chosen, stored.Count);
    }

    [Fact]
    public async Task A_checkpoint_is_read_as_it_was_saved()
    {
        await control.BeginSnapshotAsync(Run("r1"), Token);
        await control.PlanRangesAsync("r1", "CHARGE", Ranges(3), Token);
        await control.PlanRangesAsync("r1", "BILL", [new SnapshotRange { Entity = "BILL", Number = 0 }], Token);
        await using var lease = await control.AcquireLeaseAsync("export", Token);
        var saved = new SnapshotRange
        {
            Entity = "CHARGE", Number = 1, From = ["10", "ä"], To = ["20", ""], Cursor = [], Rows = 7, Items = 6, Bytes = 5_000_000_000, SetAside = 1, Done = true,
        };
        var rows = Enumerable.Range(0, 250).Select(i => new SetAsideRow("CHARGE", $"charge_id={i}{new string('k', 1500)}", "ItemTooLarge", "It has 409,601 bytes; the limit is 409,600.")).ToImmutableArray();
        await control.SaveRangeAsync(lease, "r1", saved, rows, Token);
        await control.SaveRangeAsync(lease, "r1", saved, rows, Token);

        var read = (await control.ListRangesAsync("r1", "CHARGE", Token))[1];
        Assert.Equal(saved.From!.Value, read.From!.Value);
        Assert.Equal(saved.To!.Value, read.To!.Value);
        Assert.Equal([], read.Cursor!.Value);
        Assert.Equal(saved with { From = null, To = null, Cursor = null }, read with { From = null, To = null, Cursor = null });
        Assert.Null((await control.ListRangesAsync("r1", "BILL", Token))[0].Cursor);
        Assert.Equal(4, (await control.ListRangesAsync("r1", null, Token)).Length);
        var listed = await control.ListSetAsideAsync("r1", 1000, Token);
        Assert.Equal(rows.OrderBy(r => r.Key), listed.OrderBy(r => r.Key));
        Assert.Equal(10, (await control.ListSetAsideAsync("r1", 10, Token)).Length);

        // Another process, which has planned nothing, finds the plan itself.
        var other = new ControlTable(target.Client, table, "test", time);
        await other.SaveRangeAsync(lease, "r1", saved with { Rows = 8 }, [], Token);
        Assert.Equal(8, (await other.ListRangesAsync("r1", "CHARGE", Token))[1].Rows);
    }

    [Fact]
    public async Task A_worker_whose_lease_is_gone_cannot_move_a_checkpoint_or_end_the_run()
    {
        var run = await control.BeginSnapshotAsync(Run("r1"), Token);
        var ranges = await control.PlanRangesAsync("r1", "CHARGE", Ranges(1), Token);
        var late = await control.AcquireLeaseAsync("export", Elsewhere with { BootId = LeaseHolder.Current.BootId, PidNamespace = LeaseHolder.Current.PidNamespace }, Token);
        await using var lease = await control.AcquireLeaseAsync("export", Token);
        Assert.Equal(2, lease.Epoch);
        var row = new SetAsideRow("CHARGE", "1", "ItemTooLarge", "…");
        var error = await Assert.ThrowsAsync<MigrationException>(() => control.SaveRangeAsync(late, "r1", ranges[0] with { Done = true }, [row], Token));
        Assert.Equal("LeaseLost", error.ErrorId);
        Assert.False((await control.ListRangesAsync("r1", "CHARGE", Token))[0].Done);
        Assert.Empty(await control.ListSetAsideAsync("r1", 10, Token));

        await control.SaveRangeAsync(lease, "r1", ranges[0] with { Done = true }, [], Token);
        error = await Assert.ThrowsAsync<MigrationException>(() => control.CompleteSnapshotAsync(late, run, Position, Token));
        Assert.Equal("LeaseLost", error.ErrorId);
        Assert.Equal(SnapshotState.Running, (await control.FindSnapshotAsync(Token))!.State);
        await late.DisposeAsync();
        await control.SaveRangeAsync(lease, "r1", ranges[0], [], Token);
    }

    [Fact]
    public async Task A_run_is_complete_when_every_range_of_every_entity_is_done_and_not_before()
    {
        var run = await control.BeginSnapshotAsync(Run("r1"), Token);
        var ranges = await control.PlanRangesAsync("r1", "CHARGE", Ranges(2), Token);
        await using var lease = await control.AcquireLeaseAsync("export", Token);
        await control.SaveRangeAsync(lease, "r1", ranges[0] with { Done = true }, [], Token);
        Assert.Equal(SnapshotState.Running, (await control.CompleteSnapshotAsync(lease, run, Position, Token)).State);

        await control.SaveRangeAsync(lease, "r1", ranges[1] with { Done = true }, [], Token);
        var everything = run with { PlannedEntities = ["CHARGE", "BILL"] };
        Assert.Equal(SnapshotState.Running, (await control.CompleteSnapshotAsync(lease, everything, _ => throw new InvalidOperationException("too early"), Token)).State);

        var done = await control.CompleteSnapshotAsync(lease, run, Position, Token);
        Assert.Equal((SnapshotState.Complete, Position, time.GetUtcNow()), (done.State, done.End, done.CompletedAt));
        Equal(done, await control.FindSnapshotAsync(Token));
        Assert.Equal("r2", (await control.BeginSnapshotAsync(Run("r2"), Token)).RunId);
    }

    [Theory]
    [InlineData("shardCount", "N", "many", "whole number")]
    [InlineData("shardCount", "N", "0", "outside 1 to 1000")]
    [InlineData("state", "S", "Sleeping", "Sleeping")]
    [InlineData("state", "S", null, "missing")]
    [InlineData("startedAt", "S", "yesterday", "not a time")]
    [InlineData("kind", "S", "range", "and not a 'snapshot'")]
    [InlineData("format", "N", "9", "format 9")]
    [InlineData("start", "S", "0-1-17", "not a map")]
    public void A_damaged_run_is_unreadable_and_says_why(string attribute, string type, string? value, string why)
    {
        var item = SnapshotRunItem.ToItem("MIGRATION#test", Run("r1"));
        item[attribute] = type == "N" ? new AttributeValue { N = value } : new AttributeValue { S = value };
        if (value is null)
        {
            item.Remove(attribute);
        }

        var error = Assert.Throws<MigrationException>(() => SnapshotRunItem.FromItem(item));
        Assert.Equal(("ControlItemUnreadable", "SNAPSHOT#r1"), (error.ErrorId, error.Target));
        Assert.Contains(why, error.Message);
        Assert.Contains(attribute is "format" or "kind" ? "SNAPSHOT#r1" : attribute, error.Message);
    }

    [Fact]
    public async Task A_run_that_was_deleted_is_named()
    {
        var error = await Assert.ThrowsAsync<MigrationException>(() => control.ListRangesAsync("gone", null, Token));
        Assert.Equal(("ControlItemMissing", "gone"), (error.ErrorId, error.Target));
    }

    private SnapshotRun Run(string id) => new()
    {
        RunId = id,
        StartedAt = time.GetUtcNow(),
        Start = Position,
        State = SnapshotState.Running,
        ShardCount = 4,
        ModelDigest = "abc",
    };

    private static ImmutableArray<SnapshotRange> Ranges(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new SnapshotRange { Entity = "CHARGE", Number = i, From = i == 0 ? null : [$"{i}"], To = i == count - 1 ? null : [$"{i + 1}"] })];

    private static void Equal(SnapshotRun expected, SnapshotRun? actual)
    {
        Assert.NotNull(actual);
        Assert.Equal(expected.PlannedEntities, actual.PlannedEntities.AsEnumerable());
        Assert.Equal(expected with { PlannedEntities = [] }, actual with { PlannedEntities = [] });
    }
}
