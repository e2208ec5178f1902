using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Several workers on one run, and workers that must not go on.</summary>
public sealed class WorkerTests(TestServers servers)
{
    private const long Rows = 1_500;

    private static readonly SnapshotOptions Slow = new() { ItemsPerSecond = 100 };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_shards_at_the_same_time_finish_one_run(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        var options = new SnapshotOptions { ShardCount = 2, RowsPerRange = 100 };

        var results = await Task.WhenAll(scenario.ExportAsync(options), scenario.ExportAsync(options with { ShardIndex = 1 }));

        Assert.All(results, r => Assert.Equal((SnapshotOutcome.Complete, results[0].RunId), (r.Outcome, r.RunId)));
        Assert.All(results, r => Assert.InRange(r.Items, 1, Rows - 1));
        Assert.Equal(Rows, results.Sum(r => r.Items));
        Assert.Contains(results, r => r.RunState == SnapshotState.Complete);
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task A_shard_alone_does_not_complete_the_run()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        var options = new SnapshotOptions { ShardCount = 2, RowsPerRange = 100 };

        var second = await scenario.ExportAsync(options with { ShardIndex = 1 });
        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Running), (second.Outcome, second.RunState));

        var first = await scenario.ExportAsync(options);
        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete), (first.Outcome, first.RunState));
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task Entity_by_entity_completes_the_run_with_the_last_one()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, 1_000);
        foreach (var entity in scenario.Migration.Definition.Entities)
        {
            var result = await scenario.ExportAsync(new SnapshotOptions { Entities = [entity.Entity] });
            Assert.Equal(SnapshotOutcome.Complete, result.Outcome);
            Assert.Equal(entity == scenario.Migration.Definition.Entities[^1] ? SnapshotState.Complete : SnapshotState.Running, result.RunState);
        }

        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task A_second_worker_on_the_same_job_is_told_who_holds_the_lease()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var first = await scenario.ExportToCheckpointAsync(Slow, stop.Token);

        var second = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync(Slow));

        Assert.Equal("LeaseHeld", second.ErrorId);
        Assert.Contains(Environment.MachineName, second.Message);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
    }

    [Fact]
    public async Task A_worker_whose_lease_was_taken_moves_no_checkpoint_and_ends()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        var zombie = await scenario.ExportToCheckpointAsync(Slow);

        await TakeLeaseAsync(scenario);
        var checkpoints = await scenario.RangesAsync();

        var error = await Assert.ThrowsAsync<MigrationException>(() => zombie);
        Assert.Equal("LeaseLost", error.ErrorId);
        Assert.Equal(Texts(checkpoints), Texts(await scenario.RangesAsync()));
    }

    [Fact]
    public async Task A_restart_does_not_begin_while_a_worker_of_the_old_run_works()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var old = await scenario.ExportToCheckpointAsync(Slow with { ItemsPerSecond = 25, ShardIndex = 1, ShardCount = 2, RowsPerRange = 100 }, stop.Token);

        var restart = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync(new SnapshotOptions { Restart = true }));

        Assert.Equal("LeaseHeld", restart.ErrorId);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => old);
        Assert.Equal((SnapshotOutcome.Complete, Rows), await scenario.ExportAsync(new SnapshotOptions { Restart = true }) is var r ? (r.Outcome, r.Items) : default);
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task A_checkpoint_that_is_refused_ends_the_export_at_once()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var proxy = FaultProxy.Start(scenario.Endpoint.Host, scenario.Endpoint.Port, ProxiedProtocol.Http);
        var definition = scenario.Migration.Definition;

        var export = scenario.ExportAsync(
            Slow,
            progress =>
            {
                if (progress.Items > 0)
                {
                    proxy.Faults.While(HttpFault.AccessDenied, "TransactWriteItems");
                }
            },
            definition with { Target = definition.Target with { EndpointUrl = proxy.Url } });

        var error = await Assert.ThrowsAsync<MigrationException>(() => export);
        Assert.Equal("AccessDenied", error.ErrorId);
        var items = (await scenario.Migration.Client.ScanAsync(new ScanRequest { TableName = scenario.Migration.Table, Select = "COUNT" }, Cancel)).Count;
        Assert.InRange(items!.Value, 1, (int)Rows / 2);
    }

    private static string[] Texts(IReadOnlyList<SnapshotRange> ranges) =>
        [.. ranges.Select(r => FormattableString.Invariant($"{r.Entity} {r.Number} {string.Join(',', r.Cursor ?? [])} {r.Items} {r.Done}"))];

    /// <summary>What another worker does that has seen the lease stand still.</summary>
    private static Task<UpdateItemResponse> TakeLeaseAsync(Scenario scenario) => scenario.Migration.Client.UpdateItemAsync(
        new UpdateItemRequest
        {
            TableName = scenario.Migration.Definition.Target.ControlTableName,
            Key = new() { ["pk"] = new($"MIGRATION#{scenario.Migration.Definition.Name}"), ["sk"] = new(LeaseItem.SortKey("EXPORT")) },
            UpdateExpression = "SET epoch = epoch + :one, #t = :other, version = :other",
            ConditionExpression = "attribute_exists(holder)",
            ExpressionAttributeNames = new() { ["#t"] = LeaseItem.TokenName },
            ExpressionAttributeValues = new() { [":one"] = new() { N = "1" }, [":other"] = new("other") },
        },
        Cancel);
}
