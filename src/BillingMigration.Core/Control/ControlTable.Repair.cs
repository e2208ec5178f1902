using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Writes a repair and its record at once, or neither.</summary>
    /// <returns>False when the item is not what the write's condition says.</returns>
    public async Task<bool> TryRepairAsync(TransactWriteItem write, RepairRecord record, CancellationToken cancellationToken)
    {
        // Repeated after a lost answer, the same token makes it the same transaction.
        var token = Guid.NewGuid().ToString();
        var request = new TransactWriteItemsRequest
        {
            ClientRequestToken = token,
            TransactItems = [write, new TransactWriteItem { Put = new Put { TableName = Table, Item = RepairItem.ToItem(pk, record) } }],
        };
        try
        {
            await calls.RunAsync("Repairing an item", ct => Client.TransactWriteItemsAsync(request, ct), cancellationToken);
            return true;
        }
        catch (TransactionCanceledException e)
        {
            return e.CancellationReasons is [{ Code: "ConditionalCheckFailed" }, ..] ? false : throw calls.ToError(e, "Repairing an item");
        }
    }

    /// <summary>Repairs made so far, in the order of time, at most <paramref name="most"/>.</summary>
    public async Task<ImmutableArray<RepairRecord>> ListRepairsAsync(int most, CancellationToken cancellationToken)
    {
        var repairs = ImmutableArray.CreateBuilder<RepairRecord>();
        await foreach (var item in QueryAsync(RepairItem.Prefix, cancellationToken))
        {
            if (repairs.Count == most)
            {
                break;
            }

            repairs.Add(RepairItem.FromItem(item));
        }

        return repairs.ToImmutable();
    }
}
