
namespace BillingMigration.Simulation.Tests;

/// <summary>What AWS does and DynamoDB Local does not.</summary>
public sealed class SimulatedDynamoDbTests
{
    private const string CreateTable =
        """
        {"TableName":"t","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],
         "AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"g","AttributeType":"S"}],
         "GlobalSecondaryIndexes":[{"IndexName":"i","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}
        """;

    private const string QueryIndex =
        """{"TableName":"t","IndexName":"i","KeyConditionExpression":"g = :g","ExpressionAttributeValues":{":g":{"S":"g"}}}""";

    private const string Add = """{"TableName":"t","Key":{"p":{"S":"a"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}""";

    private readonly VirtualTime time = new();
    private readonly List<Commit> commits = [];

    [Fact]
    public void A_write_of_an_item_in_a_transaction_meets_a_conflict()
    {
        var (dynamo, client, _) = Start(new SimulationOptions { TransactionWork = TimeSpan.FromMilliseconds(50) });
        time.Run(async () =>
        {
            var first = client.SendAsync("TransactWriteItems", Transaction("a", "b"));
            var second = await client.SendAsync("TransactWriteItems", Transaction("c", "a"));
            var single = await client.SendAsync("PutItem", Put("b"));
            var batch = await client.DoAsync("BatchWriteItem", """{"RequestItems":{"t":[{"PutRequest":{"Item":{"p":{"S":"a"}}}},{"PutRequest":{"Item":{"p":{"S":"d"}}}}]}}""");
            Assert.Equal("TransactionCanceledException", second.Error);
            Assert.Equal(["None", "TransactionConflict"], second.Reasons);
            Assert.Equal("TransactionConflictException", single.Error);
            Assert.Equal(1, batch.GetProperty("UnprocessedItems").GetProperty("t").GetArrayLength());
            Assert.Equal(200, (await first).Status);
        });
        Assert.Equal(3, dynamo.Items("t").Count);
    }

    [Fact]
    public void A_token_answers_for_ten_minutes_without_doing_anything_again()
    {
        var (_, client, _) = Start(SimulationOptions.Quiet);
        var request = AddInTransaction("x");
        time.Run(() => client.DoAsync("TransactWriteItems", request));
        time.Run(() => client.DoAsync("TransactWriteItems", request));
        Assert.Single(commits);
        time.RunFor(TimeSpan.FromMinutes(11));
        time.Run(() => client.DoAsync("TransactWriteItems", request));
        Assert.Equal(2, commits.Count);
    }

    [Fact]
    public void A_token_with_other_parameters_is_refused()
    {
        var (_, client, _) = Start(SimulationOptions.Quiet);
        time.Run(() => client.DoAsync("TransactWriteItems", AddInTransaction("x")));
        var other = time.Run(() => client.SendAsync("TransactWriteItems", AddInTransaction("x").Replace("\"1\"", "\"2\"", StringComparison.Ordinal)));
        Assert.Equal("IdempotentParameterMismatchException", other.Error);
    }

    [Fact]
    public void A_token_whose_transaction_was_cancelled_is_executed_again()
    {
        var (dynamo, client, _) = Start(SimulationOptions.Quiet);
        var request = AddInTransaction("x");
        dynamo.Script = sent => sent.Number == 2 ? Fault.Conflict : null;
        Assert.Equal(["TransactionConflict"], time.Run(() => client.SendAsync("TransactWriteItems", request)).Reasons);
        time.Run(() => client.DoAsync("TransactWriteItems", request));
        Assert.Single(commits);
    }

    [Fact]
    public void An_index_is_behind_its_table()
    {
        var (dynamo, client, _) = Start(new SimulationOptions { IndexDelay = TimeSpan.FromSeconds(5) });
        time.Run(() => client.DoAsync("PutItem", Put("a")));
        Assert.Equal(0, time.Run(() => client.DoAsync("Query", QueryIndex)).GetProperty("Count").GetInt32());
        Assert.False(dynamo.IsQuiet);
        time.RunFor(TimeSpan.FromSeconds(5));
        Assert.Equal(1, time.Run(() => client.DoAsync("Query", QueryIndex)).GetProperty("Count").GetInt32());
        Assert.True(dynamo.IsQuiet);
    }

    [Fact]
    public void A_request_whose_answer_is_lost_is_done_once()
    {
        var (dynamo, client, _) = Start(SimulationOptions.Quiet);
        dynamo.Script = _ => Fault.LoseAnswer;
        Assert.Throws<HttpRequestException>(() => time.Run(() => client.SendAsync("UpdateItem", Add)));
        Assert.Single(commits);
    }

    [Fact]
    public void A_late_request_lands_after_its_sender_gave_up()
    {
        var (dynamo, client, _) = Start(SimulationOptions.Quiet);
        dynamo.Script = _ => Fault.Late(TimeSpan.FromSeconds(30));
        SimulatedDynamoDb.Caller.Value = "the late one";
        Assert.Throws<HttpRequestException>(() => time.Run(() => client.SendAsync("UpdateItem", Add)));
        Assert.Empty(commits);
        time.RunFor(TimeSpan.FromSeconds(30));
        Assert.Equal("the late one", Assert.Single(commits).Caller);
    }

    [Fact]
    public void A_repeated_request_is_done_twice()
    {
        var (dynamo, client, _) = Start(SimulationOptions.Quiet);
        dynamo.Script = _ => Fault.Repeat(TimeSpan.FromSeconds(3));
        time.Run(() => client.DoAsync("UpdateItem", Add));
        Assert.Single(commits);
        dynamo.RunUntilQuiet();
        Assert.Equal(["1", "2"], commits.Select(c => c.Changes[0].After!["n"].Text));
    }

    [Fact]
    public void A_killed_process_hears_nothing_and_what_it_sent_lands()
    {
        var (_, client, process) = Start(new SimulationOptions { Arrival = TimeSpan.FromMilliseconds(50) });
        var task = client.SendAsync("UpdateItem", Add, TestContext.Current.CancellationToken);
        process.Kill();
        time.RunFor(TimeSpan.FromMinutes(1));
        Assert.False(task.IsCompleted);
        Assert.Single(commits);
        Assert.Contains("Deadlock", Assert.ThrowsAny<Exception>(() => time.Run(task)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_seed_gives_the_same_commits_each_time()
    {
        Assert.Equal(Cruel(7), Cruel(7));
        Assert.NotEqual(Cruel(7), Cruel(8));
    }

    private static List<string> Cruel(int seed)
    {
        var time = new VirtualTime();
        var dynamo = new SimulatedDynamoDb(time, seed, SimulationOptions.Cruel);
        var commits = new List<string>();
        dynamo.Committed += c => commits.Add($"{c.Sequence} {c.Time:O} {c.Caller} {string.Join(' ', c.Changes.Select(i => i.After))}");
        var setup = new SimulatedProcess(time, "setup");
        using var client = SimulatedClient.Of(dynamo, setup);
        time.Run(() => CreateAsync(client));
        time.Run(() => Task.WhenAll(Enumerable.Range(0, 8).Select(worker => WorkAsync(dynamo, new SimulatedProcess(time, "w"), worker))));
        dynamo.RunUntilQuiet();
        return commits;
    }

    private static async Task CreateAsync(SimulatedClient client)
    {
        while (true)
        {
            try
            {
                if ((await client.SendAsync("CreateTable", CreateTable)).Error is "" or "ResourceInUseException")
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // The network is cruel from the first request on.
            }
        }
    }

    private static async Task WorkAsync(SimulatedDynamoDb dynamo, SimulatedProcess process, int worker)
    {
        using var client = SimulatedClient.Of(dynamo, process);
        for (var i = 0; i < 40; i++)
        {
            SimulatedDynamoDb.Caller.Value = $"{worker}.{i}";
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5), process.Clock);
            try
            {
                var name = ((char)('a' + (i % 5))).ToString();
                await client.SendAsync(i % 2 == 0 ? "TransactWriteItems" : "UpdateItem", i % 2 == 0 ? Transaction(name, "z" + worker) : Add, limit.Token);
            }
            catch (Exception error) when (error is HttpRequestException or OperationCanceledException)
            {
                // What it did is in the commits, or not.
            }

            await Task.Yield();
        }
    }

    private static string Put(string key) => "{\"TableName\":\"t\",\"Item\":{\"p\":{\"S\":\"" + key + "\"},\"g\":{\"S\":\"g\"}}}";

    private static string Transaction(params string[] keys) => "{\"TransactItems\":[" + string.Join(',', keys.Select(k => "{\"Put\":" + Put(k) + "}")) + "]}";

    private static string AddInTransaction(string token) => "{\"ClientRequestToken\":\"" + token + "\",\"TransactItems\":[{\"Update\":" + Add + "}]}";

    private (SimulatedDynamoDb Dynamo, SimulatedClient Client, SimulatedProcess Process) Start(SimulationOptions options)
    {
        var dynamo = new SimulatedDynamoDb(time, 1, options);
        var process = new SimulatedProcess(time, "test");
        var client = SimulatedClient.Of(dynamo, process);
        time.Run(() => client.DoAsync("CreateTable", CreateTable));
        dynamo.Committed += commits.Add;
        return (dynamo, client, process);
    }
}
