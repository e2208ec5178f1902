using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Partition of the deletions and bill runs of more than 100 items that are unfinished.</summary>
    private string LargeUnits => $"{pk}#INTENT";

    /// <summary>Their items, those that were set aside too.</summary>
    internal async Task<IReadOnlyList<Dictionary<string, AttributeValue>>> ListLargeUnitsAsync(CancellationToken cancellationToken)
    {
        var found = new List<Dictionary<string, AttributeValue>>();
        var request = new QueryRequest
        {
            TableName = Table,
            ConsistentRead = true,
            KeyConditionExpression = "pk = :p",
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":p"] = new(LargeUnits) },
        };
        do
        {
            var page = await calls.RunAsync("Looking for unfinished deletions and bill runs", ct => Client.QueryAsync(request, ct), cancellationToken);
            found.AddRange(page.Items ?? []);
            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (request.ExclusiveStartKey is { Count: > 0 });
        return found;
    }
}
