using System.Text.Json.Nodes;

namespace BillingMigration.Simulation.Tests;

/// <summary>A malformed request gets an error answer; it never ends the run of the virtual time.</summary>
public sealed class SimulatedDynamoDbMalformedTests
{
    private static readonly string[] Errors =
    [
        "", "ValidationException", "SerializationException", "ResourceNotFoundException", "ConditionalCheckFailedException", "TransactionCanceledException",
        "ResourceInUseException", "IdempotentParameterMismatchException",
    ];

    private static readonly string[] Wrongs = ["null", "1", "1e99", "\"\"", "\"x\"", "true", "[]", "[null]", "{}", "{\"S\":1}", "{\"SS\":[null]}", "{\"NS\":[null]}"];

    private readonly VirtualTime time = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_request_with_a_wrong_part_is_answered(int seed)
    {
        var random = new Random(seed);
        var requests = new RandomRequests(seed);
        using var client = SimulatedClient.Of(new SimulatedDynamoDb(time, seed), new SimulatedProcess(time, "test"));
        time.Run(() => client.DoAsync("CreateTable", RandomRequests.CreateTable));
        for (var i = 0; i < 3000; i++)
        {
            var (operation, json) = i % 20 == 0 ? ("CreateTable", RandomRequests.CreateTable) : requests.Next();
            var root = JsonNode.Parse(json)!;
            Spoil(root, random);
            var sent = root.ToJsonString();
            var answer = time.Run(() => client.SendAsync(operation, sent, TestContext.Current.CancellationToken));
            Assert.True(Errors.Contains(answer.Error), $"{answer.Body} to {operation} {sent}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    public void A_body_that_is_no_object_is_answered(string body)
    {
        var dynamo = new SimulatedDynamoDb(time, 1) { Script = sent => sent.Table is null ? null : Fault.Hang };
        using var client = SimulatedClient.Of(dynamo, new SimulatedProcess(time, "test"));
        Assert.Equal("SerializationException", time.Run(() => client.SendAsync("PutItem", body, TestContext.Current.CancellationToken)).Error);
    }

    [Fact]
    public void Deep_parentheses_are_refused()
    {
        using var client = SimulatedClient.Of(new SimulatedDynamoDb(time, 1), new SimulatedProcess(time, "test"));
        time.Run(() => client.DoAsync("CreateTable", RandomRequests.CreateTable));
        var scan = "{\"TableName\":\"tab\",\"FilterExpression\":\"" + new string('(', 4000) + "\"}";
        Assert.Equal("ValidationException", time.Run(() => client.SendAsync("Scan", scan, TestContext.Current.CancellationToken)).Error);
    }

    /// <summary>Replaces one part of a request, at any depth.</summary>
    private static void Spoil(JsonNode node, Random random)
    {
        while (true)
        {
            var wrong = JsonNode.Parse(Wrongs[random.Next(Wrongs.Length)]);
            if (node is JsonObject { Count: > 0 } map)
            {
                var name = map.ElementAt(random.Next(map.Count)).Key;
                if (map[name] is { } inner and (JsonObject { Count: > 0 } or JsonArray { Count: > 0 }) && random.Next(4) > 0)
                {
                    node = inner;
                    continue;
                }

                map[name] = wrong;
            }
            else if (node is JsonArray { Count: > 0 } list)
            {
                var place = random.Next(list.Count);
                if (list[place] is { } inner and (JsonObject { Count: > 0 } or JsonArray { Count: > 0 }) && random.Next(4) > 0)
                {
                    node = inner;
                    continue;
                }

                list[place] = wrong;
            }

            return;
        }
    }
}
