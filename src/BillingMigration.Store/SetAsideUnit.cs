using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store;

/// <summary>A deletion or bill run of many rows that cannot be finished: it is half done, in nobody's way, and somebody has to look at it.</summary>
/// <param name="What"><c>DELETION</c> or <c>BILLRUN</c>.</param>
/// <param name="Entity">Of the row that is deleted, or of the bill.</param>
/// <param name="PartitionKey">Of that row's item.</param>
/// <param name="SortKey">Of that row's item.</param>
/// <param name="Reason">Why it was set aside.</param>
/// <param name="Id">Sort key of its item in the control table: without the attribute <c>reason</c> it is tried again.</param>
public sealed record SetAsideUnit(string What, string Entity, string PartitionKey, string SortKey, string Reason, string Id)
{
    /// <summary>Reads them from the control table.</summary>
    public static async Task<IReadOnlyList<SetAsideUnit>> ListAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(session);
        return [.. (await session.Control.ListLargeUnitsAsync(cancellationToken)).Where(i => i.ContainsKey("reason")).Select(Read)];
    }

    private static SetAsideUnit Read(Dictionary<string, AttributeValue> item)
    {
        var key = ItemKey.Of(Encoding.UTF8.GetBytes(item["item"].S));
        return new(item["what"].S, item["entity"].S, key.Pk, key.Sk, item["reason"].S, item[EntityModel.SortKey].S);
    }
}
