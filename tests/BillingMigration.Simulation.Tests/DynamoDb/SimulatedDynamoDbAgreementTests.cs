using System.Globalization;
using System.Text.Json;
using BillingMigration.Testing;

namespace BillingMigration.Simulation.Tests;

/// <summary>The quiet simulation answers as DynamoDB Local does, to random requests.</summary>
public sealed class SimulatedDynamoDbAgreementTests : IAsyncLifetime
{
    private const int Seeds = 4;
    private static readonly string[] Orders = [string.Empty, ",\"ScanIndexForward\":false"];
    private DynamoDbLocalServer server = null!;

    public async ValueTask InitializeAsync() => server = await DynamoDbLocalServer.StartAsync(own: true);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Random_requests_are_answered_alike()
    {
        using var real = SimulatedClient.Of(server.Endpoint);
        var differences = new List<string>();

        // Other seeds can be tried by hand.
        var (first, count) = (int.Parse(Environment.GetEnvironmentVariable("SIMULATION_SEED") ?? "1", CultureInfo.InvariantCulture), Seeds);
        for (var seed = first; seed < first + count; seed++)
        {
            await CompareAsync(real, seed, differences);
        }

        Assert.True(differences.Count == 0, $"{differences.Count} differences\n" + string.Join("\n\n", differences.Take(40)));
    }

    [Fact]
    public async Task A_token_is_answered_alike()
    {
        const string Put = """{"ClientRequestToken":"a","TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"1"},"s":{"N":"1"}}}}]}""";
        var otherOrder = """{"TransactItems":[{"Put":{"Item":{"s":{"N":"1"},"p":{"S":"1"}},"TableName":"tab"}}],"ClientRequestToken":"a"}""";
        var otherItem = Put.Replace("\"S\":\"1\"", "\"S\":\"2\"", StringComparison.Ordinal);
        var refused = Put.Replace("\"a\"", "\"b\"", StringComparison.Ordinal).Replace("\"TableName\"", "\"ConditionExpression\":\"attribute_not_exists(p)\",\"TableName\"", StringComparison.Ordinal);
        const string Delete = """{"TableName":"tab","Key":{"p":{"S":"1"},"s":{"N":"1"}}}""";
        const string Scan = """{"TableName":"tab","ConsistentRead":true}""";
        await AssertAlikeAsync(
            ("TransactWriteItems", Put), ("TransactWriteItems", Put), ("DeleteItem", Delete), ("TransactWriteItems", Put), ("Scan", Scan), ("TransactWriteItems", otherOrder),
            ("Scan", Scan), ("TransactWriteItems", otherItem), ("PutItem", """{"TableName":"tab","Item":{"p":{"S":"1"},"s":{"N":"1"}}}"""),
            ("TransactWriteItems", refused), ("DeleteItem", Delete), ("TransactWriteItems", refused), ("Scan", Scan));
    }

    [Fact]
    public async Task Pages_of_one_megabyte_are_cut_alike()
    {
        var items = Enumerable.Range(0, 9).Select(i =>
            ("PutItem", $$"""{"TableName":"tab","Item":{"p":{"S":"k"},"s":{"N":"{{i}}"},"a":{"S":"{{new string('x', i < 5 ? 300_000 : 209_700)}}"} } }"""));
        var pages = Enumerable.Range(-1, 4).SelectMany(i => Orders, (i, order) =>
            ("Query", """{"TableName":"tab","KeyConditionExpression":"p = :p","ExpressionAttributeValues":{":p":{"S":"k"}},"ProjectionExpression":"s" """
                + order + (i < 0 ? "}" : $$""","ExclusiveStartKey":{"p":{"S":"k"},"s":{"N":"{{i}}"} } }""")));
        await AssertAlikeAsync([.. items, .. pages]);
    }

    [Fact]
    public async Task An_update_that_only_removes_is_answered_alike() => await AssertAlikeAsync(
        ("UpdateItem", """{"TableName":"tab","Key":{"p":{"S":"k"},"s":{"N":"1"}},"UpdateExpression":"REMOVE a","ReturnValues":"ALL_NEW"}"""),
        ("Scan", """{"TableName":"tab","ConsistentRead":true}"""));

    private async Task AssertAlikeAsync(params (string Operation, string Json)[] requests)
    {
        var time = new VirtualTime();
        using var real = SimulatedClient.Of(server.Endpoint);
        using var simulated = SimulatedClient.Of(new SimulatedDynamoDb(time, 1), new SimulatedProcess(time, "test"));
        await real.DoAsync("CreateTable", RandomRequests.CreateTable);
        time.Run(() => simulated.DoAsync("CreateTable", RandomRequests.CreateTable));
        foreach (var (operation, json) in requests)
        {
            var expected = await real.SendAsync(operation, json);
            var given = time.Run(() => simulated.SendAsync(operation, json));
            Assert.True(Text(operation, expected) == Text(operation, given), $"{operation} {json[..Math.Min(300, json.Length)]}\n{expected.Body}\n{given.Body}");
        }
    }

    private static async Task CompareAsync(SimulatedClient real, int seed, List<string> differences)
    {
        var time = new VirtualTime();
        using var simulated = SimulatedClient.Of(new SimulatedDynamoDb(time, seed), new SimulatedProcess(time, "test"));
        await real.DoAsync("CreateTable", RandomRequests.CreateTable);
        time.Run(() => simulated.DoAsync("CreateTable", RandomRequests.CreateTable));
        var requests = new RandomRequests(seed);
        for (var i = 0; i < 800; i++)
        {
            var (operation, json) = requests.Next();
            var expected = await real.SendAsync(operation, json);
            var given = time.Run(() => simulated.SendAsync(operation, json));
            var (left, right) = (Text(operation, expected), Text(operation, given));
            if (left != right && !IsKnownDifference(operation, json, expected, given))
            {
                differences.Add($"{seed}.{i} {operation} {json}\n  Local: {left} {Message(expected)}\n  Ours:  {right} {Message(given)}");
            }
        }

        await real.DoAsync("DeleteTable", """{"TableName":"tab"}""");
    }

    /// <summary>Where DynamoDB Local does not do what AWS documents, the simulation follows AWS.</summary>
    private static bool IsKnownDifference(string operation, string json, ClientAnswer expected, ClientAnswer given) =>

        // Local looks at conditions before it finds that two operations are on one item.
        (given.Error == "ValidationException" && given.Body.GetProperty("message").GetString()!.StartsWith("Transaction request cannot include", StringComparison.Ordinal)
            && expected.Status != 200)

        // AWS does not document which invalid parameters refuse a transaction and which cancel it with the reason ValidationError.
        || (given.Error == "ValidationException" && expected.Body.TryGetProperty("CancellationReasons", out _) && expected.Reasons.Contains("ValidationError"))
        || (expected.Error == "ValidationException" && given.Body.TryGetProperty("CancellationReasons", out _) && given.Reasons.Contains("ValidationError"))

        // AWS refuses a malformed key of a transaction of reads; Local cancels the transaction, without any reasons.
        || (operation == "TransactGetItems" && given.Error == "ValidationException" && expected.Error == "TransactionCanceledException"
            && !expected.Body.TryGetProperty("CancellationReasons", out _))

        // AWS returns the changed paths only, Local the whole attributes that they are in (ScyllaDB's test_returnvalues.py, which is run on AWS).
        || (operation == "UpdateItem" && json.Contains("\"UPDATED_", StringComparison.Ordinal) && expected.Status == 200 && given.Status == 200
            && expected.Body.TryGetProperty("Attributes", out var whole)
            && (!given.Body.TryGetProperty("Attributes", out var part) || IsPart(part, whole)))

        // AWS: a LastEvaluatedKey does not mean that there is more. It gives one where it reaches the Limit, Local none at the last possible key.
        || (operation == "Query" && expected.Status == 200 && given.Status == 200 && json.Contains($"\"Limit\":{given.Body.GetProperty("ScannedCount")}", StringComparison.Ordinal)
            && !expected.Body.TryGetProperty("LastEvaluatedKey", out _)
            && Canonical(given.Body, true, "LastEvaluatedKey") == Canonical(expected.Body, true));

    /// <summary>Every member of one value is in the other, and the elements of its lists are among the other's in order.</summary>
    private static bool IsPart(JsonElement part, JsonElement whole)
    {
        if (part.ValueKind == JsonValueKind.Object && whole.ValueKind == JsonValueKind.Object)
        {
            return part.EnumerateObject().All(m => whole.TryGetProperty(m.Name, out var other)
                && (m.Name is "N" or "NS" or "SS" or "BS" ? Member(m, true) == Member(whole.EnumerateObject().First(o => o.Name == m.Name), true) : IsPart(m.Value, other)));
        }

        if (part.ValueKind != JsonValueKind.Array || whole.ValueKind != JsonValueKind.Array)
        {
            return Canonical(part, true) == Canonical(whole, true);
        }

        using var rest = whole.EnumerateArray().GetEnumerator();
        return part.EnumerateArray().All(e =>
        {
            while (rest.MoveNext())
            {
                if (IsPart(e, rest.Current))
                {
                    return true;
                }
            }

            return false;
        });
    }

    private static string Message(ClientAnswer answer) => answer.Status == 200 ? string.Empty : answer.Body.ToString();

    /// <summary>DynamoDB Local counts some capacity for a deletion of nothing without being asked.</summary>
    private static string Text(string operation, ClientAnswer answer) =>
        answer.Status == 200 ? Canonical(answer.Body, operation is "Scan" or "BatchGetItem" or "Query", operation == "DeleteItem" ? "ConsumedCapacity" : null)
        : answer.Body.TryGetProperty("CancellationReasons", out var reasons) ? "cancelled: " + string.Join(',', reasons.EnumerateArray().Select(Reason))
        : answer.Status + " " + answer.Error + (answer.Body.TryGetProperty("Item", out var item) ? Canonical(item, false) : string.Empty);

    private static string Reason(JsonElement reason) =>
        reason.GetProperty("Code").GetString() + (reason.TryGetProperty("Item", out var item) ? Canonical(item, false) : string.Empty);

    /// <summary>DynamoDB Local counts no capacity for a page without items.</summary>
    private static bool IsEmptyPage(JsonElement answer) => answer.TryGetProperty("ScannedCount", out var scanned) && scanned.GetInt32() == 0;

    /// <summary>DynamoDB Local keeps nested numbers as they were sent; AWS normalizes them.</summary>
    private static string Member(JsonProperty member, bool anyOrder) => member.Name switch
    {
        "N" when member.Value.ValueKind == JsonValueKind.String => ItemValue.OfNumber(member.Value.GetString()!).Text,
        "NS" => string.Join(',', member.Value.EnumerateArray().Select(n => ItemValue.OfNumber(n.GetString()!).Text).Order(StringComparer.Ordinal)),
        _ => Canonical(member.Value, member.Name is "SS" or "BS" || (anyOrder && member.Name is not "L")),
    };

    /// <summary>Sets, the members of maps, and the items of a scan come in any order.</summary>
    private static string Canonical(JsonElement element, bool anyOrder, string? without = null) => element.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(',', element.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal)
            .Where(m => m.Name != without && (m.Name != "ConsumedCapacity" || !IsEmptyPage(element)))
            .Select(m => $"{m.Name}:{Member(m, anyOrder)}")) + "}",
        JsonValueKind.Array => "[" + string.Join(',', anyOrder
            ? element.EnumerateArray().Select(e => Canonical(e, true)).Order(StringComparer.Ordinal)
            : element.EnumerateArray().Select(e => Canonical(e, false))) + "]",
        JsonValueKind.Number => element.GetDouble().ToString("0.###", CultureInfo.InvariantCulture),
        _ => element.ToString(),
    };
}
