using System.Net;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Testing;

public sealed class TestServersTests(TestServers servers)
{
    [Fact]
    public async Task DynamoDb_Local_answers_and_wants_a_signature()
    {
        var server = await servers.DynamoDbAsync();
        using var client = new HttpClient();
        using var answer = await client.GetAsync(server.Endpoint, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Same(server, await servers.DynamoDbAsync());
    }

    [Fact]
    public async Task A_server_with_options_is_one_of_its_own()
    {
        await using var plain = await MariaDbServer.StartAsync("--lower-case-table-names=1");
        Assert.NotEqual((await servers.MariaDbAsync()).Port, plain.Port);
        Assert.True(File.Exists(plain.CaFile));
        await using var database = await plain.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE Bill (id INT PRIMARY KEY)");
        await using var connection = await database.OpenAsync();
        var tables = await Source.SchemaInspectorTests.InspectAsync(connection, database.Name, "BILL");
        Assert.True(tables.ContainsKey("Bill"));
    }
}
