using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>The last rotation of the data key; null: there was none.</summary>
    public async Task<RotationCheckpoint?> FindRotationAsync(CancellationToken cancellationToken) =>
        await ReadAsync(RotationItem.SortKey, cancellationToken) is { } item ? RotationItem.FromItem(item) : null;

    /// <summary>Saves how far the rotation is, only while <paramref name="lease"/> holds; with the data keys, both or neither.</summary>
    /// <param name="dataKey">The item of the data keys as it is to be; null: it stays.</param>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal Task SaveRotationAsync(
        Lease lease, RotationCheckpoint checkpoint, Dictionary<string, AttributeValue>? dataKey, CancellationToken cancellationToken)
    {
        var writes = new List<TransactWriteItem> { new() { Put = new Put { TableName = Table, Item = RotationItem.ToItem(pk, checkpoint) } } };
        if (dataKey is not null)
        {
            writes.Add(new TransactWriteItem { Put = new Put { TableName = Table, Item = dataKey } });
        }

        return FencedAsync(lease, "Saving the rotation of the data key", writes, cancellationToken);
    }
}
