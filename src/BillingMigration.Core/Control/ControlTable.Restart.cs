using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Forgets what the run has read of an entity: its ranges and its rows that were set aside.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal async Task ForgetPlanAsync(Lease lease, string runId, string entity, CancellationToken cancellationToken)
    {
        if (!(await ReadRunAsync(runId, cancellationToken)).Plans.TryGetValue(entity, out var plan))
        {
            return;
        }

        var forget = new Update
        {
            TableName = Table,
            Key = Key(SnapshotRunItem.SortKey(runId)),
            UpdateExpression = "REMOVE #p.#e",
            ExpressionAttributeNames = new Dictionary<string, string> { ["#p"] = SnapshotRunItem.Plan, ["#e"] = entity },
        };
        await FencedAsync(lease, $"Beginning {entity} anew", [new TransactWriteItem { Update = forget }], cancellationToken);
        chosenPlans.TryRemove((runId, entity), out _);
        foreach (var prefix in (string[])[SnapshotRangeItem.Prefix(runId, entity, plan), SetAsideItem.Prefix(runId, entity)])
        {
            await foreach (var item in QueryAsync(prefix, cancellationToken))
            {
                await calls.RunAsync("Removing key ranges", t => Client.DeleteItemAsync(Table, Key(item["sk"].S), t), cancellationToken);
            }
        }
    }

    /// <summary>A complete run goes on with the model that it has now: what differs is asked to be compared already.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal Task ChangeModelAsync(Lease lease, SnapshotRun run, CancellationToken cancellationToken)
    {
        var item = SnapshotRunItem.ToItem(pk, run);
        var change = new Update
        {
            TableName = Table,
            Key = Key(SnapshotRunItem.SortKey(run.RunId)),
            UpdateExpression = "SET #d = :d, #m = :m",
            ConditionExpression = "attribute_exists(pk)",
            ExpressionAttributeNames = new Dictionary<string, string> { ["#d"] = SnapshotRunItem.ModelDigest, ["#m"] = SnapshotRunItem.Model },
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":d"] = item[SnapshotRunItem.ModelDigest], [":m"] = item[SnapshotRunItem.Model] },
        };
        return FencedAsync(lease, "Changing the snapshot's model", [new TransactWriteItem { Update = change }], cancellationToken);
    }

    /// <summary>Asks whoever follows the run's changes to compare an entity with the source as a whole, and to mend what differs.</summary>
    internal Task AskToCompareAsync(string runId, string entity, CancellationToken cancellationToken)
    {
        var item = EntityRestartItem.ToItem(pk, runId, new EntityRestart(entity, Guid.NewGuid().ToString("N")[..12]));
        return calls.RunAsync($"Beginning {entity} anew", ct => Client.PutItemAsync(Table, item, ct), cancellationToken);
    }

    /// <summary>What was asked for and is not yet part of the checkpoint of the changes.</summary>
    internal Task<ImmutableArray<EntityRestart>> ListRestartsAsync(string runId, CancellationToken cancellationToken) =>
        ListAsync(EntityRestartItem.Prefix(runId), EntityRestartItem.FromItem, cancellationToken);

    /// <summary>Ends a request that is in the checkpoint of the changes; one that was made meanwhile for the same entity stays.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal async Task EndRestartAsync(Lease lease, string runId, EntityRestart restart, CancellationToken cancellationToken)
    {
        var key = EntityRestartItem.Prefix(runId) + restart.Entity;
        if (await ReadAsync(key, cancellationToken) is { } item && EntityRestartItem.FromItem(item) == restart)
        {
            var end = new Delete
            {
                TableName = Table,
                Key = Key(key),
                ConditionExpression = "#r = :r",
                ExpressionAttributeNames = new Dictionary<string, string> { ["#r"] = EntityRestartItem.Request },
                ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":r"] = new(restart.Request) },
            };
            await FencedAsync(lease, $"Beginning {restart.Entity} anew", [new TransactWriteItem { Delete = end }], cancellationToken);
        }
    }
}
