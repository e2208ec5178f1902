using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What all that the store does on the table works with.</summary>
internal sealed record TableSide(BillingModel Model, StoreCalls Calls, ControlKeys Keys, ItemCodec Items, RowFinder Rows)
{
    /// <summary>Those who met others at the same item go on one after the other.</summary>
    public Turns Turns { get; } = new();

    public PartitionVersions Versions { get; } = new(Calls, Keys);

    public TimeProvider Time => Calls.Time;

    /// <summary>What stands in the intent of a large unit; null: it has ended.</summary>
    public async Task<Dictionary<string, AttributeValue>?> FindIntentAsync(string id, CancellationToken cancellationToken)
    {
        var answer = await Calls.RunAsync(
            (client, token) => client.GetItemAsync(new GetItemRequest { TableName = Keys.Table, Key = Keys.Intent(id), ConsistentRead = true }, token), cancellationToken);
        return answer.Item is { Count: > 0 } item ? item : null;
    }
}
