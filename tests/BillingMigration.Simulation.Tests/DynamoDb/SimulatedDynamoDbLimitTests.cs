using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using Amazon.Runtime;

namespace BillingMigration.Simulation.Tests;

/// <summary>The limits of items, keys, pages and expressions, reads of an earlier state, and AWS's own client.</summary>
public sealed class SimulatedDynamoDbLimitTests
{
    private const string Table =
        """{"TableName":"t","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"}]}""";

    private readonly VirtualTime time = new();

    [Fact]
    public void Items_keys_and_expressions_have_limits()
    {
        using var client = Start(SimulationOptions.Quiet);
        Assert.Equal(string.Empty, Send(client, "PutItem", Put("a", (400 * 1024) - 3)));
        Assert.Equal("ValidationException", Send(client, "PutItem", Put("a", (400 * 1024) - 2)));
        Assert.Equal(string.Empty, Send(client, "PutItem", Put(new string('k', 2048), 1)));
        Assert.Equal("ValidationException", Send(client, "PutItem", Put(new string('k', 2049), 1)));
        Assert.Equal(string.Empty, Send(client, "Scan", Filter(4096)));
        Assert.Equal("ValidationException", Send(client, "Scan", Filter(4097)));
    }

    [Fact]
    public void A_transaction_has_at_most_four_megabytes()
    {
        using var client = Start(SimulationOptions.Quiet);
        Assert.Equal(string.Empty, Send(client, "TransactWriteItems", Puts(10)));
        Assert.Equal("ValidationException", Send(client, "TransactWriteItems", Puts(11)));
    }

    [Fact]
    public void A_batch_is_cut_at_16_megabytes_and_segments_divide_a_scan()
    {
        using var client = Start(SimulationOptions.Quiet);
        for (var i = 0; i < 45; i++)
        {
            Assert.Equal(string.Empty, Send(client, "PutItem", Put("k" + i, 399_000)));
        }

        var keys = string.Join(',', Enumerable.Range(0, 45).Select(i => "{\"p\":{\"S\":\"k" + i + "\"}}"));
        var batch = time.Run(() => client.DoAsync("BatchGetItem", "{\"RequestItems\":{\"t\":{\"Keys\":[" + keys + "]}}}"));
        Assert.Equal(42, batch.GetProperty("Responses").GetProperty("t").GetArrayLength());
        Assert.Equal(3, batch.GetProperty("UnprocessedKeys").GetProperty("t").GetProperty("Keys").GetArrayLength());

        var seen = new List<string>();
        for (var segment = 0; segment < 3; segment++)
        {
            var start = string.Empty;
            do
            {
                var page = time.Run(() => client.DoAsync("Scan", "{\"TableName\":\"t\",\"TotalSegments\":3,\"Segment\":" + segment + start + "}"));
                Assert.InRange(page.GetProperty("Count").GetInt32(), 0, 3);
                seen.AddRange(page.GetProperty("Items").EnumerateArray().Select(i => i.GetProperty("p").GetProperty("S").GetString()!));
                start = page.TryGetProperty("LastEvaluatedKey", out var last) ? ",\"ExclusiveStartKey\":" + last.GetRawText() : string.Empty;
            }
            while (start.Length > 0);
        }

        Assert.Equal(Enumerable.Range(0, 45).Select(i => "k" + i).Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Reads_may_be_stale_and_see_a_part_of_a_transaction()
    {
        using var client = Start(new SimulationOptions { StaleRead = TimeSpan.FromSeconds(1), TornRead = TimeSpan.FromSeconds(1) });
        time.RunFor(TimeSpan.FromMinutes(1));
        var write = client.SendAsync("TransactWriteItems", "{\"TransactItems\":[{\"Put\":" + Put("a", 1) + "},{\"Put\":" + Put("b", 1) + "}]}", TestContext.Current.CancellationToken);
        var counts = new HashSet<int>();
        for (var i = 0; i < 40; i++)
        {
            counts.Add(time.Run(() => client.DoAsync("Scan", """{"TableName":"t","ConsistentRead":true}""")).GetProperty("Count").GetInt32());
            time.RunFor(TimeSpan.FromMilliseconds(25));
        }

        Assert.Contains(1, counts);
        Assert.Equal(200, time.Run(write).Status);
        Assert.Equal(2, time.Run(() => client.DoAsync("Scan", """{"TableName":"t","ConsistentRead":true}""")).GetProperty("Count").GetInt32());
        Assert.Equal(string.Empty, Send(client, "DeleteItem", """{"TableName":"t","Key":{"p":{"S":"a"}}}"""));
        var stale = Enumerable.Range(0, 20).Count(_ => time.Run(() => client.DoAsync("GetItem", """{"TableName":"t","Key":{"p":{"S":"a"}}}""")).TryGetProperty("Item", out var _));
        Assert.InRange(stale, 1, 20);
    }

    [Fact]
    public void The_client_of_AWS_works()
    {
        using var raw = Start(SimulationOptions.Quiet, out var dynamo);
        var config = new AmazonDynamoDBConfig
        {
            ServiceURL = "http://simulated.invalid", MaxErrorRetry = 0, HttpClientFactory = new Factory(dynamo.CreateHandler(new SimulatedProcess(time, "sdk"))),
        };
        using var client = new AmazonDynamoDBClient(new BasicAWSCredentials("test", "test"), config);
        var item = new Dictionary<string, AttributeValue> { ["p"] = new("a"), ["n"] = new() { N = "1" } };
        time.Run(() => client.PutItemAsync("t", item));
        Assert.Equal("1", time.Run(() => client.GetItemAsync("t", new Dictionary<string, AttributeValue> { ["p"] = new("a") })).Item["n"].N);
        var query = new QueryRequest { TableName = "t", KeyConditionExpression = "p = :p", ExpressionAttributeValues = new() { [":p"] = new("a") } };
        Assert.Equal(1, time.Run(() => client.QueryAsync(query)).Count);
        var put = new TransactWriteItem { Put = new Put { TableName = "t", Item = item, ConditionExpression = "attribute_not_exists(p)" } };
        var refused = Assert.Throws<TransactionCanceledException>(() => time.Run(() => client.TransactWriteItemsAsync(new TransactWriteItemsRequest { TransactItems = [put] })));
        Assert.Equal("ConditionalCheckFailed", Assert.Single(refused.CancellationReasons).Code);
    }

    private static string Put(string key, int bytes) => "{\"TableName\":\"t\",\"Item\":{\"p\":{\"S\":\"" + key + "\"},\"a\":{\"S\":\"" + new string('x', bytes) + "\"}}}";

    private static string Puts(int count) => "{\"TransactItems\":[" + string.Join(',', Enumerable.Range(0, count).Select(i => "{\"Put\":" + Put("k" + i, 400_000) + "}")) + "]}";

    private static string Filter(int length) => "{\"TableName\":\"t\",\"FilterExpression\":\"" + "attribute_exists(a)".PadRight(length) + "\"}";

    private string Send(SimulatedClient client, string operation, string json) => time.Run(() => client.SendAsync(operation, json)).Error;

    private SimulatedClient Start(SimulationOptions options) => Start(options, out _);

    private SimulatedClient Start(SimulationOptions options, out SimulatedDynamoDb dynamo)
    {
        dynamo = new SimulatedDynamoDb(time, 1, options);
        var client = SimulatedClient.Of(dynamo, new SimulatedProcess(time, "test"));
        time.Run(() => client.DoAsync("CreateTable", Table));
        return client;
    }

    private sealed class Factory(HttpMessageHandler handler) : HttpClientFactory
    {
        public override HttpClient CreateHttpClient(IClientConfig clientConfig) => new(handler, disposeHandler: false);
    }
}
