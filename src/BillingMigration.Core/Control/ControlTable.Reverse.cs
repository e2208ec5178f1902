using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>How far the table's stream is written back to the source; null: the way back was never begun.</summary>
    public async Task<ReverseCheckpoint?> FindReverseAsync(CancellationToken cancellationToken) =>
        await ReadAsync(ReverseItem.SortKey, cancellationToken) is { } item ? ReverseItem.FromItem(item) : null;

    /// <summary>Rows that the table has and the source did not take.</summary>
    public Task<ImmutableArray<SetAsideRow>> ListReverseSetAsideAsync(CancellationToken cancellationToken) =>
        ListAsync(ReverseItem.SetAsidePrefix, SetAsideItem.FromItem, cancellationToken);

    /// <summary>Moves the checkpoint of the way back, only while <paramref name="lease"/> holds.</summary>
    /// <param name="setAside">Rows that the source did not take since the last one.</param>
    /// <param name="taken">Rows set aside before that it has taken by now.</param>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal Task SaveReverseAsync(
        Lease lease, ReverseCheckpoint checkpoint, IReadOnlyCollection<SetAsideRow> setAside, IReadOnlyCollection<SetAsideRow> taken, CancellationToken cancellationToken)
    {
        var writes = setAside.Select(row => new TransactWriteItem { Put = new Put { TableName = Table, Item = SetAsideItem.ToItem(pk, ReverseItem.SetAsideSortKey(row), row) } })
            .Concat(taken.Select(row => new TransactWriteItem { Delete = new Delete { TableName = Table, Key = Key(ReverseItem.SetAsideSortKey(row)) } }))
            .Append(new TransactWriteItem { Put = new Put { TableName = Table, Item = ReverseItem.ToItem(pk, checkpoint) } });
        return WriteFencedAsync(lease, "Saving the checkpoint of the way back", writes, cancellationToken);
    }
}
