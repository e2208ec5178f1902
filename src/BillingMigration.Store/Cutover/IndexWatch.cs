using System.Collections.Concurrent;
using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Model;

namespace BillingMigration.Store.Cutover;

/// <summary>
/// Asks the indexes until they show what the changes of the source put into the table. A store looks for children and unique values of migrated rows there, and an index is behind the table by any time
/// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes).
/// </summary>
internal sealed class IndexWatch(MigrationSession session)
{
    private const int AtOnce = 16;

    /// <summary>Of more changes than that, the first were written long before the last.</summary>
    private const int MostKept = 10_000;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ControlCalls calls = new(session.Target.Client, session.Definition.Target.Table, session.Retry, session.Time);
    private Queue<string> behind = new();

    private string Table => session.Definition.Target.Table;

    /// <summary>The row of a changed item; the item may be gone.</summary>
    public void Add(Suspect changed)
    {
        behind.Enqueue(changed.KeyText);
        while (behind.Count > MostKept)
        {
            behind.Dequeue();
        }
    }

    /// <summary>Asks once; what all indexes show is not asked for again.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var shown = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(
            behind.Distinct(),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (key, token) =>
            {
                if (await IsShownAsync(key, token))
                {
                    shown.Add(key);
                }
            });
        behind = new(behind.Distinct().Except(shown));
    }

    /// <summary>Asks until nothing is left.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await LookAsync(cancellationToken);
            if (behind.Count == 0)
            {
                return;
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    private async Task<bool> IsShownAsync(string keyJson, CancellationToken cancellationToken)
    {
        using var json = JsonDocument.Parse(keyJson);
        var key = new[] { EntityModel.PartitionKey, EntityModel.SortKey }.ToDictionary(a => a, a => new AttributeValue(json.RootElement.GetProperty(a).GetProperty("S").GetString()));
        var get = new GetItemRequest { TableName = Table, Key = key, ConsistentRead = true };
        var item = (await calls.RunAsync("Looking at a changed item", ct => session.Target.Client.GetItemAsync(get, ct), cancellationToken)).Item;
        foreach (var index in session.Definition.Indexes)
        {
            if (item is { Count: > 0 } && item.ContainsKey(index.PartitionKeyAttribute) && item.ContainsKey(index.SortKeyAttribute) && !await IsShownAsync(index, item, cancellationToken))
            {
                return false;
            }
        }

        return true;
    }

    private async Task<bool> IsShownAsync(IndexDefinition index, Dictionary<string, AttributeValue> item, CancellationToken cancellationToken)
    {
        var request = new QueryRequest
        {
            TableName = Table,
            IndexName = index.Name,
            KeyConditionExpression = "#ipk = :ipk AND #isk = :isk",
            FilterExpression = "#pk = :pk AND #sk = :sk",
            ProjectionExpression = "#pk",
            ExpressionAttributeNames = new()
            {
                ["#ipk"] = index.PartitionKeyAttribute, ["#isk"] = index.SortKeyAttribute, ["#pk"] = EntityModel.PartitionKey, ["#sk"] = EntityModel.SortKey,
            },
            ExpressionAttributeValues = new()
            {
                [":ipk"] = item[index.PartitionKeyAttribute], [":isk"] = item[index.SortKeyAttribute], [":pk"] = item[EntityModel.PartitionKey], [":sk"] = item[EntityModel.SortKey],
            },
        };
        do
        {
            var page = await calls.RunAsync($"Asking the index '{index.Name}'", ct => session.Target.Client.QueryAsync(request, ct), cancellationToken);
            if (page.Count > 0)
            {
                return true;
            }

            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (request.ExclusiveStartKey is { Count: > 0 });
        return false;
    }
}
