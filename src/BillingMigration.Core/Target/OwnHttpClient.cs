using Amazon.Runtime;
using BillingMigration.Transfer;

namespace BillingMigration.Target;

/// <summary>The SDK's HTTP client, over the same kind of connections as the hot path: TLS 1.2 or newer.</summary>
/// <param name="connectTimeout">Of one attempt to connect.</param>
/// <param name="network">Makes what requests are sent through; null: connections of the machine.</param>
internal sealed class OwnHttpClient(TimeSpan connectTimeout, Func<HttpMessageHandler>? network = null) : HttpClientFactory, IDisposable
{
    private readonly object gate = new();
    private HttpClient? client;

    public override HttpClient CreateHttpClient(IClientConfig clientConfig)
    {
        lock (gate)
        {
            return client ??= new HttpClient(new BrokenConnections(network?.Invoke() ?? DynamoDbHttp.CreateHandler(EndpointOf(clientConfig), connectTimeout)))
            {
                Timeout = clientConfig.Timeout ?? Timeout.InfiniteTimeSpan,
            };
        }
    }

    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;

    public void Dispose() => client?.Dispose();

    private static Uri EndpointOf(IClientConfig config) =>
        new(config.ServiceURL is { Length: > 0 } url ? url : "https://dynamodb.amazonaws.com");
}
