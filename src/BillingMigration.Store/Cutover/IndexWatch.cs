using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Model;

namespace BillingMigration.Store.Cutover;

/// <summary>
/// Asks the indexes until they show what the changes of the source put into the table. A store looks for children and unique values of migrated
/// rows there, and an index is behind the table by any time
/// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes).
/// </summary>
internal sealed class IndexWatch(MigrationSession session)
{
    private const int AtOnce = 16;

    /// <summary>Of more changes than that, the first were written long before the last.</summary>
    private const int MostKept = 10_000;

    /// <summary>Limit of BatchGetItem.</summary>
    private const int KeysAtOnce = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ControlCalls calls = new(session.Target.Client, session.Definition.Target.Table, session.Retry, session.Time);
    private Queue<ItemKey> behind = new();

    private string Table => session.Definition.Target.Table;

    /// <summary>The row of a changed item; the item may be gone.</summary>
    public void Add(Suspect changed)
    {
        behind.Enqueue(ItemKey.Parse(changed.KeyText));
        while (behind.Count > MostKept)
        {
            behind.Dequeue();
        }
    }

    /// <summary>Asks once; what all indexes show is not asked for again.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var places = await AllAsync(behind.Distinct().Chunk(KeysAtOnce), ReadAsync, cancellationToken);
        var hidden = await AllAsync(places.GroupBy(p => (p.Index, p.Partition)), HiddenAsync, cancellationToken);
        behind = new(hidden.Select(p => p.Item).Distinct());
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

    private static async Task<IReadOnlyList<Place>> AllAsync<T>(
        IEnumerable<T> asked, Func<T, CancellationToken, Task<IReadOnlyList<Place>>> ask, CancellationToken cancellationToken)
    {
        var found = new List<Place>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(asked, options, async (one, token) =>
        {
            var more = await ask(one, token);
            lock (found)
            {
                found.AddRange(more);
            }
        });
        return found;
    }

    /// <summary>Where the items with these keys are to be seen in the indexes.</summary>
    private async Task<IReadOnlyList<Place>> ReadAsync(ItemKey[] keys, CancellationToken cancellationToken)
    {
        var places = new List<Place>();
        var left = new KeysAndAttributes { ConsistentRead = true, Keys = [.. keys.Select(k => k.ToKey())] };
        while (left.Keys.Count > 0)
        {
            var request = new BatchGetItemRequest { RequestItems = new() { [Table] = left } };
            var page = await calls.RunAsync("Looking at changed items", ct => session.Target.Client.BatchGetItemAsync(request, ct), cancellationToken);
            foreach (var item in page.Responses.GetValueOrDefault(Table) ?? [])
            {
                places.AddRange(session.Definition.Indexes
                    .Where(i => item.ContainsKey(i.PartitionKeyAttribute) && item.ContainsKey(i.SortKeyAttribute))
                    .Select(i => new Place(i, item[i.PartitionKeyAttribute].S, item[i.SortKeyAttribute].S, ItemKey.Of(item))));
            }

            left = page.UnprocessedKeys?.GetValueOrDefault(Table) ?? new() { Keys = [] };
        }

        return places;
    }

    /// <summary>The places of one partition that the index does not show. Neighbours come in one page; what is beyond it is asked for by itself.</summary>
    private async Task<IReadOnlyList<Place>> HiddenAsync(IGrouping<(IndexDefinition Index, string Partition), Place> asked, CancellationToken cancellationToken)
    {
        var hidden = asked.ToHashSet();
        if (hidden.Count > 1)
        {
            var sorted = asked.Select(p => p.Sort).Order(StringComparer.Ordinal).ToArray();
            await TakeShownAsync(asked.Key.Index, asked.Key.Partition, sorted[0], sorted[^1], hidden, onePage: true, cancellationToken);
        }

        foreach (var place in hidden.ToArray())
        {
            await TakeShownAsync(place.Index, place.Partition, place.Sort, place.Sort, hidden, onePage: false, cancellationToken);
        }

        return [.. hidden];
    }

    private async Task TakeShownAsync(
        IndexDefinition index, string partition, string from, string to, HashSet<Place> hidden, bool onePage, CancellationToken cancellationToken)
    {
        var request = new QueryRequest
        {
            TableName = Table,
            IndexName = index.Name,
            KeyConditionExpression = "#ipk = :ipk AND #isk BETWEEN :from AND :to",
            ProjectionExpression = "#isk, #pk, #sk",
            ExpressionAttributeNames = new()
            {
                ["#ipk"] = index.PartitionKeyAttribute, ["#isk"] = index.SortKeyAttribute, ["#pk"] = EntityModel.PartitionKey, ["#sk"] = EntityModel.SortKey,
            },
            ExpressionAttributeValues = new() { [":ipk"] = new AttributeValue(partition), [":from"] = new AttributeValue(from), [":to"] = new AttributeValue(to) },
        };
        do
        {
            var page = await calls.RunAsync($"Asking the index '{index.Name}'", ct => session.Target.Client.QueryAsync(request, ct), cancellationToken);
            foreach (var item in page.Items)
            {
                hidden.Remove(new Place(index, partition, item[index.SortKeyAttribute].S, ItemKey.Of(item)));
            }

            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (!onePage && request.ExclusiveStartKey is { Count: > 0 });
    }

    /// <summary>An item in an index.</summary>
    private sealed record Place(IndexDefinition Index, string Partition, string Sort, ItemKey Item);

    private sealed record ItemKey(string Partition, string Sort)
    {
        public static ItemKey Of(Dictionary<string, AttributeValue> item) => new(item[EntityModel.PartitionKey].S, item[EntityModel.SortKey].S);

        /// <param name="text">JSON as DynamoDB writes a key.</param>
        public static ItemKey Parse(string text)
        {
            using var json = JsonDocument.Parse(text);
            return new(Text(EntityModel.PartitionKey), Text(EntityModel.SortKey));

            string Text(string attribute) => json.RootElement.GetProperty(attribute).GetProperty("S").GetString()!;
        }

        public Dictionary<string, AttributeValue> ToKey() =>
            new() { [EntityModel.PartitionKey] = new AttributeValue(Partition), [EntityModel.SortKey] = new AttributeValue(Sort) };
    }
}
