using System.Text;
using System.Text.Json.Nodes;

namespace BillingMigration.Testing.Faults;

/// <summary>Shows the one shard of DynamoDB Local's stream as a shard that closes and another that goes on from it, listed as late as is wished.</summary>
public sealed class StreamSplit
{
    private const string ChildSuffix = "-child";

    private readonly object gate = new();
    private readonly HashSet<string> childIterators = new(StringComparer.Ordinal);
    private string? lastShown;

    /// <summary>What comes from now on is in the child.</summary>
    public bool IsClosed { get; set; }

    public bool ListsChild { get; set; }

    /// <summary>How often the shards were listed since the first was closed.</summary>
    public HitCounter Listings { get; } = new();

    internal static bool Concerns(string operation) => operation is "DescribeStream" or "GetShardIterator" or "GetRecords";

    internal async Task<HttpMessage> RelayAsync(string operation, HttpMessage request, Func<HttpMessage, Task<HttpMessage>> forward, Func<string, HttpMessage> answer)
    {
        var body = JsonNode.Parse(request.Body)!.AsObject();
        return operation switch
        {
            "DescribeStream" => Describe(await forward(request)),
            "GetShardIterator" => await FindIteratorAsync(request, body, forward),
            _ => await ReadAsync(request, body["ShardIterator"]!.GetValue<string>(), forward, answer),
        };
    }

    private HttpMessage Describe(HttpMessage answer)
    {
        var body = JsonNode.Parse(answer.Body)!;
        if (!IsClosed || body["StreamDescription"]?["Shards"] is not JsonArray { Count: > 0 } shards)
        {
            return answer;
        }

        Listings.Add();
        var parent = shards[^1]!;
        var range = parent["SequenceNumberRange"]!;
        range["EndingSequenceNumber"] = lastShown ?? range["StartingSequenceNumber"]!.GetValue<string>();
        if (ListsChild)
        {
            var id = parent["ShardId"]!.GetValue<string>();
            shards.Add(new JsonObject
            {
                ["ShardId"] = id + ChildSuffix,
                ["ParentShardId"] = id,
                ["SequenceNumberRange"] = new JsonObject { ["StartingSequenceNumber"] = range["EndingSequenceNumber"]!.GetValue<string>() },
            });
        }

        return answer.WithBody(Encoding.UTF8.GetBytes(body.ToJsonString()));
    }

    private async Task<HttpMessage> FindIteratorAsync(HttpMessage request, JsonObject body, Func<HttpMessage, Task<HttpMessage>> forward)
    {
        var shard = body["ShardId"]!.GetValue<string>();
        if (!shard.EndsWith(ChildSuffix, StringComparison.Ordinal))
        {
            return await forward(request);
        }

        body["ShardId"] = shard[..^ChildSuffix.Length];
        if (body["ShardIteratorType"]!.GetValue<string>() == "TRIM_HORIZON" && lastShown is not null)
        {
            (body["ShardIteratorType"], body["SequenceNumber"]) = ("AFTER_SEQUENCE_NUMBER", lastShown);
        }

        var answer = await forward(request.WithBody(Encoding.UTF8.GetBytes(body.ToJsonString())));
        Note(JsonNode.Parse(answer.Body)!["ShardIterator"]);
        return answer;
    }

    private async Task<HttpMessage> ReadAsync(HttpMessage request, string iterator, Func<HttpMessage, Task<HttpMessage>> forward, Func<string, HttpMessage> answer)
    {
        bool isChild;
        lock (gate)
        {
            isChild = childIterators.Contains(iterator);
        }

        if (IsClosed && !isChild)
        {
            return answer("""{"Records":[]}""");
        }

        var read = await forward(request);
        var page = JsonNode.Parse(read.Body)!;
        if (isChild)
        {
            Note(page["NextShardIterator"]);
        }
        else if (page["Records"] is JsonArray { Count: > 0 } records)
        {
            lastShown = records[^1]!["dynamodb"]!["SequenceNumber"]!.GetValue<string>();
        }

        return read;
    }

    private void Note(JsonNode? iterator)
    {
        if (iterator is not null)
        {
            lock (gate)
            {
                childIterators.Add(iterator.GetValue<string>());
            }
        }
    }
}
