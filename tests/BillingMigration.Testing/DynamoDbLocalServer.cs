using BillingMigration.Simulation;

namespace BillingMigration.Testing;

/// <summary>AWS's DynamoDB Local, in memory, or a simulation whose indexes are far behind. Any access key will do.</summary>
public sealed class DynamoDbLocalServer : IAsyncDisposable
{
    /// <summary>Value of <c>BILLING_DYNAMODB</c> for a DynamoDB that is simulated, with indexes that are behind by <see cref="IndexDelay"/>.</summary>
    public const string Simulated = "simulated";

    private readonly IAsyncDisposable? server;

    private DynamoDbLocalServer(IAsyncDisposable? server, Uri endpoint) => (this.server, Endpoint) = (server, endpoint);

    public static TimeSpan IndexDelay { get; } = TimeSpan.FromSeconds(5);

    public Uri Endpoint { get; }

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_DYNAMODB</c> names by its URL.</summary>
    /// <param name="own">Start one in any case: it slows down with all that others have put into it.</param>
    public static async Task<DynamoDbLocalServer> StartAsync(bool own = false)
    {
        if (!own && Environment.GetEnvironmentVariable("BILLING_DYNAMODB") is Simulated)
        {
            var simulated = SimulatedServer.Start(seed: 1, new SimulationOptions { IndexDelay = IndexDelay, IndexDelayLeast = IndexDelay });
            return new DynamoDbLocalServer(simulated, simulated.Endpoint);
        }

        if (!own && Environment.GetEnvironmentVariable("BILLING_DYNAMODB") is { Length: > 0 } given)
        {
            return new DynamoDbLocalServer(null, new Uri(given));
        }

        var script = await ServerScript.StartAsync("dynamodb-local");
        return new DynamoDbLocalServer(script, new UriBuilder("http", "127.0.0.1", script.Port).Uri);
    }

    /// <summary>Simulated indexes show all that was written so far.</summary>
    public Task CatchUpAsync() => (server as SimulatedServer)?.CatchUpAsync() ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => server?.DisposeAsync() ?? ValueTask.CompletedTask;
}
