namespace BillingMigration.Testing;

/// <summary>
/// The servers that all tests of a process share, each started by the first test that asks for it. Register it with
/// <c>[assembly: AssemblyFixture(typeof(TestServers))]</c> and take it in a test class's constructor.
/// </summary>
public sealed class TestServers : IAsyncDisposable
{
    private readonly Lazy<Task<MySqlServer>> mySql = new(() => MySqlServer.StartAsync());
    private readonly Lazy<Task<MariaDbServer>> mariaDb = new(() => MariaDbServer.StartAsync());
    private readonly Lazy<Task<DynamoDbLocalServer>> dynamoDb = new(() => DynamoDbLocalServer.StartAsync());

    private readonly Lazy<Task<KmsServer>> kms = new(KmsServer.StartAsync);

    public Task<MySqlServer> MySqlAsync() => mySql.Value;

    public Task<MariaDbServer> MariaDbAsync() => mariaDb.Value;

    public Task<DynamoDbLocalServer> DynamoDbAsync() => dynamoDb.Value;

    public Task<KmsServer> KmsAsync() => kms.Value;

    /// <summary>The server of a flavour, for tests that run on both.</summary>
    public async Task<SqlServerProcess> SourceAsync(bool mariaDbFlavor) => mariaDbFlavor ? await MariaDbAsync() : await MySqlAsync();

    public async ValueTask DisposeAsync()
    {
        await StopAsync(mySql);
        await StopAsync(mariaDb);
        await StopAsync(dynamoDb);
        await StopAsync(kms);
    }

    private static async Task StopAsync<T>(Lazy<Task<T>> server)
        where T : IAsyncDisposable
    {
        // A server that did not start has failed its tests already; there is nothing to stop.
        if (server.IsValueCreated && server.Value.IsCompletedSuccessfully)
        {
            await (await server.Value).DisposeAsync();
        }
    }
}
