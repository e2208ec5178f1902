using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Rows that the change stream set aside stand behind those of every range.</summary>
    private const int SyncSetAside = 999_999;

    /// <summary>Checkpoint of the changes of a run; null before the first.</summary>
    public async Task<SyncCheckpoint?> FindSyncAsync(string runId, CancellationToken cancellationToken) =>
        await ReadAsync(SyncItem.SortKey(runId), cancellationToken) is { } item ? SyncItem.FromItem(item) : null;

    /// <summary>Moves the checkpoint of the changes, only while <paramref name="lease"/> holds.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    public Task SaveSyncAsync(Lease lease, SyncCheckpoint checkpoint, ImmutableArray<SetAsideRow> setAside, CancellationToken cancellationToken)
    {
        var writes = setAside.Select(row => SetAsideItem.ToItem(pk, checkpoint.RunId, SyncSetAside, row)).DistinctBy(item => item["sk"].S)
            .Append(SyncItem.ToItem(pk, checkpoint))
            .Select(item => new TransactWriteItem { Put = new Put { TableName = Table, Item = item } });
        return WriteFencedAsync(lease, "Saving the checkpoint of the changes", writes, cancellationToken);
    }
}
