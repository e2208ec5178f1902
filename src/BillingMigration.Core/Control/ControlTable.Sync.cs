using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Rows that the change stream set aside stand behind those of every range.</summary>
    private const int SyncSetAside = 999_999;

    private const int SavesPerLeaseBits = 32;

    private long syncSaves;

    /// <summary>Checkpoint of the changes of a run, with what was asked to be compared since; null before the first.</summary>
    public async Task<SyncCheckpoint?> FindSyncAsync(string runId, CancellationToken cancellationToken)
    {
        // In this order: what is no longer asked for is in the checkpoint.
        var restarts = await ListRestartsAsync(runId, cancellationToken);
        return await ReadAsync(SyncItem.SortKey(runId), cancellationToken) is { } item ? SyncItem.FromItem(item).With(restarts) : null;
    }

    /// <summary>
    /// Moves the checkpoint of the changes, only while <paramref name="lease"/> holds. A request that a broken network delivers late does not move it back.
    /// </summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    public Task SaveSyncAsync(Lease lease, SyncCheckpoint checkpoint, ImmutableArray<SetAsideRow> setAside, CancellationToken cancellationToken)
    {
        var order = ControlItemBuilder.Number((lease.Epoch << SavesPerLeaseBits) + Interlocked.Increment(ref syncSaves));
        var item = SyncItem.ToItem(pk, checkpoint);
        item["order"] = order;
        var move = new Put
        {
            TableName = Table,
            Item = item,
            ConditionExpression = "attribute_not_exists(#o) OR #o <= :o",
            ExpressionAttributeNames = new Dictionary<string, string> { ["#o"] = "order" },
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":o"] = order },
        };
        var writes = setAside.Select(row => SetAsideItem.ToItem(pk, checkpoint.RunId, SyncSetAside, row)).DistinctBy(row => row["sk"].S)
            .Select(row => new Put { TableName = Table, Item = row })
            .Append(move)
            .Select(put => new TransactWriteItem { Put = put });
        return WriteFencedAsync(lease, "Saving the checkpoint of the changes", writes, cancellationToken);
    }
}
