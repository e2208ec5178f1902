using Amazon.DynamoDBv2;
using Amazon.Runtime;
using BillingMigration.Definition;

namespace BillingMigration.Target;

/// <summary>The way to DynamoDB: the SDK's client for what is not hot, and what the signed hot path needs.</summary>
public sealed class TargetConnection : IAsyncDisposable
{
    private TargetConnection(IAmazonDynamoDB client, Uri endpoint, string region, AWSCredentials credentials)
    {
        Client = client;
        Endpoint = endpoint;
        Region = region;
        Credentials = credentials;
    }

    public IAmazonDynamoDB Client { get; }

    public Uri Endpoint { get; }

    public string Region { get; }

    public AWSCredentials Credentials { get; }

    /// <summary>True when the endpoint is not one of AWS's own: DynamoDB Local or the like, which refuses some control-plane calls.</summary>
    public bool IsEmulator => !Endpoint.Host.EndsWith(".amazonaws.com", StringComparison.OrdinalIgnoreCase)
        && !Endpoint.Host.EndsWith(".amazonaws.com.cn", StringComparison.OrdinalIgnoreCase)
        && !Endpoint.Host.EndsWith(".api.aws", StringComparison.OrdinalIgnoreCase);

    public static Task<TargetConnection> OpenAsync(MigrationDefinition definition, TargetAccess access, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask DisposeAsync()
    {
        Client.Dispose();
        return ValueTask.CompletedTask;
    }
}
