namespace BillingMigration.Testing;

/// <summary>AWS's DynamoDB Local, in memory. Any access key will do.</summary>
public sealed class DynamoDbLocalServer : IAsyncDisposable
{
    private readonly ServerScript? script;

    private DynamoDbLocalServer(ServerScript? script, Uri endpoint) => (this.script, Endpoint) = (script, endpoint);

    public Uri Endpoint { get; }

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_DYNAMODB</c> (its URL) names.</summary>
    /// <param name="own">Start one in any case: it slows down with all that others have put into it.</param>
    public static async Task<DynamoDbLocalServer> StartAsync(bool own = false)
    {
        if (!own && Environment.GetEnvironmentVariable("BILLING_DYNAMODB") is { Length: > 0 } given)
        {
            return new DynamoDbLocalServer(null, new Uri(given));
        }

        var script = await ServerScript.StartAsync("dynamodb-local");
        return new DynamoDbLocalServer(script, new UriBuilder("http", "127.0.0.1", script.Port).Uri);
    }

    public ValueTask DisposeAsync() => script?.DisposeAsync() ?? ValueTask.CompletedTask;
}
