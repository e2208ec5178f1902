using System.Collections.Concurrent;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Target;

/// <summary>Counts the items of each entity by reading the whole billing table: what is really there, whatever the checkpoints say.</summary>
public static class ItemCensus
{
    /// <summary>DynamoDB Local reads a segment again for every page of it: many small segments keep it fast, and cost AWS nothing.</summary>
    private const int Segments = 64;

    private const int SegmentsAtOnce = 8;

    /// <summary>Items by the value of their <c>entity</c> attribute, by consistent reads: one read unit per 4 KB of the table.</summary>
    public static async Task<IReadOnlyDictionary<string, long>> CountAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        var counts = new ConcurrentDictionary<string, long>(StringComparer.Ordinal);
        var options = new ParallelOptions { MaxDegreeOfParallelism = SegmentsAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(Enumerable.Range(0, Segments), options, async (segment, token) =>
        {
            var request = new ScanRequest
            {
                TableName = session.Definition.Target.Table,
                Segment = segment,
                TotalSegments = Segments,
                ConsistentRead = true,
                ProjectionExpression = "#entity",
                ExpressionAttributeNames = new Dictionary<string, string> { ["#entity"] = "entity" },
            };
            do
            {
                var page = await session.Target.Client.ScanAsync(request, token);
                foreach (var group in (page.Items ?? []).GroupBy(item => item.TryGetValue("entity", out var entity) ? entity.S : ""))
                {
                    counts.AddOrUpdate(group.Key, group.LongCount(), (_, before) => before + group.LongCount());
                }

                request.ExclusiveStartKey = page.LastEvaluatedKey;
            }
            while (request.ExclusiveStartKey is { Count: > 0 });
        });
        return counts;
    }
}
