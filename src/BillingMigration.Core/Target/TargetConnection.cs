using Amazon;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using Amazon.KeyManagementService;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Credentials;
using BillingMigration.Definition;
using BillingMigration.Transfer;
using RetryPolicy = BillingMigration.Transfer.RetryPolicy;

namespace BillingMigration.Target;

/// <summary>The way to DynamoDB: the SDK's client for what is not hot, and what the signed hot path needs.</summary>
public sealed class TargetConnection : IAsyncDisposable
{
    // The chain's last link asks the instance metadata service, which outside EC2 nobody answers.
    private static readonly TimeSpan CredentialTimeout = TimeSpan.FromSeconds(15);

    private readonly OwnHttpClient http;

    private readonly Func<HttpMessageHandler>? network;

    private TargetConnection(IAmazonDynamoDB client, IAmazonDynamoDB singleRequests, OwnHttpClient http, Func<HttpMessageHandler>? network, Uri endpoint, string region, AWSCredentials credentials)
    {
        Client = client;
        SingleRequests = singleRequests;
        this.network = network;
        this.http = http;
        Endpoint = endpoint;
        Region = region;
        Credentials = credentials;
    }

    public IAmazonDynamoDB Client { get; }

    /// <summary>One call of it is one request. Behind a request that the SDK repeats by itself nobody sees that an earlier one had no answer.</summary>
    internal IAmazonDynamoDB SingleRequests { get; }

    public Uri Endpoint { get; }

    public string Region { get; }

    public AWSCredentials Credentials { get; }

    /// <summary>True when the endpoint is not one of AWS's own: DynamoDB Local or the like, which refuses some control-plane calls.</summary>
    public bool IsEmulator => !Endpoint.Host.EndsWith(".amazonaws.com", StringComparison.OrdinalIgnoreCase)
        && !Endpoint.Host.EndsWith(".amazonaws.com.cn", StringComparison.OrdinalIgnoreCase)
        && !Endpoint.Host.EndsWith(".api.aws", StringComparison.OrdinalIgnoreCase);

    /// <summary>Resolves credentials, Region and endpoint, and proves that the endpoint answers to them.</summary>
    /// <exception cref="MigrationException">
    /// <c>RegionMissing</c>, <c>ProfileNotFound</c>, <c>InsecureEndpoint</c>, <c>CredentialsMissing</c>, <c>CredentialsExpired</c>, <c>CredentialsRefused</c>,
    /// <c>AccessDenied</c>, <c>TargetUnreachable</c>.
    /// </exception>
    public static Task<TargetConnection> OpenAsync(MigrationDefinition definition, TargetAccess access, CancellationToken cancellationToken) =>
        OpenAsync(definition, access, new RetryPolicy(), cancellationToken);

    /// <inheritdoc cref="OpenAsync(MigrationDefinition, TargetAccess, CancellationToken)"/>
    internal static async Task<TargetConnection> OpenAsync(MigrationDefinition definition, TargetAccess access, RetryPolicy policy, CancellationToken cancellationToken)
    {
        var endpointUrl = access.EndpointUrl ?? definition.Target.EndpointUrl;
        RequireTls(endpointUrl);
        var region = ResolveRegion(definition, access);
        var http = new OwnHttpClient(policy.ConnectTimeout, access.Network);
        AmazonDynamoDBClient? client = null;
        try
        {
            var config = CreateConfig<AmazonDynamoDBConfig>(endpointUrl, region, policy, http);

            // One host name per Region, which firewalls between the sites know, and not one per account.
            config.AccountIdEndpointMode = AccountIdEndpointMode.DISABLED;
            var credentials = await ResolveCredentialsAsync(access, config, endpointUrl, cancellationToken);
            client = new AmazonDynamoDBClient(credentials, config);
            var endpoint = new Uri(client.DetermineServiceOperationEndpoint(new DescribeTableRequest { TableName = definition.Target.Table }).URL);
            RequireTls(endpoint);
            await ProveAsync(client, endpoint, definition.Target.Table, cancellationToken);
            var single = CreateConfig<AmazonDynamoDBConfig>(endpointUrl, region, policy, http);
            single.AccountIdEndpointMode = AccountIdEndpointMode.DISABLED;
            single.MaxErrorRetry = 0;
            return new TargetConnection(client, new AmazonDynamoDBClient(credentials, single), http, access.Network, endpoint, region, credentials);
        }
        catch
        {
            client?.Dispose();
            http.Dispose();
            throw;
        }
    }

    /// <summary>What the signed hot path sends through, with the same credentials and Region.</summary>
    internal DynamoDbHttp OpenHttp(RetryPolicy policy, TimeProvider time) => new(Endpoint, Region, Credentials, policy, time, network: network);

    /// <summary>KMS with the same credentials and Region.</summary>
    /// <param name="endpointUrl">Null: the Region's own.</param>
    internal KmsConnection OpenKms(Uri? endpointUrl)
    {
        RequireTls(endpointUrl);
        var policy = new RetryPolicy();
        var kmsHttp = new OwnHttpClient(policy.ConnectTimeout);
        var client = new AmazonKeyManagementServiceClient(Credentials, CreateConfig<AmazonKeyManagementServiceConfig>(endpointUrl, Region, policy, kmsHttp));
        return new KmsConnection(client, endpointUrl ?? new Uri($"https://kms.{Region}.amazonaws.com"), kmsHttp);
    }

    public ValueTask DisposeAsync()
    {
        Client.Dispose();
        SingleRequests.Dispose();
        http.Dispose();
        return ValueTask.CompletedTask;
    }

    private static T CreateConfig<T>(Uri? endpointUrl, string region, RetryPolicy policy, OwnHttpClient http)
        where T : ClientConfig, new()
    {
        var config = new T
        {
            RetryMode = RequestRetryMode.Standard,
            MaxErrorRetry = 3,
            Timeout = policy.AttemptTimeout,
            ConnectTimeout = policy.ConnectTimeout,
            HttpClientFactory = http,
        };
        if (endpointUrl is null)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }
        else
        {
            config.ServiceURL = endpointUrl.ToString();
            config.AuthenticationRegion = region;
        }

        return config;
    }

    /// <summary>Nothing leaves the machine without TLS.</summary>
    private static void RequireTls(Uri? endpoint)
    {
        if (endpoint is null || endpoint.Scheme == Uri.UriSchemeHttps || (endpoint.Scheme == Uri.UriSchemeHttp && endpoint.IsLoopback))
        {
            return;
        }

        throw new MigrationException(
            "InsecureEndpoint",
            MigrationErrorKind.SecurityViolation,
            $"The target's endpoint {endpoint} would be used without TLS, which is allowed to a loopback address only. Write it with https://.",
            endpoint);
    }

    private static string ResolveRegion(MigrationDefinition definition, TargetAccess access)
    {
        var region = access.Region ?? definition.Target.Region ?? ProfileRegion(access) ?? FallbackRegionFactory.GetRegionEndpoint()?.SystemName;
        return region ?? throw new MigrationException(
            "RegionMissing",
            MigrationErrorKind.InvalidArgument,
            "No AWS Region is known: none was passed, the definition has no target.region, and neither the profile nor AWS_REGION names one. "
            + "Pass -Region, for example eu-central-1, or write target.region in the definition.",
            definition.Target.Table);
    }

    private static string? ProfileRegion(TargetAccess access) => access.ProfileName is null ? null : FindProfile(access.ProfileName).Region?.SystemName;

    private static CredentialProfile FindProfile(string name) =>
        new CredentialProfileStoreChain().TryGetProfile(name, out var profile)
            ? profile
            : throw new MigrationException(
                "ProfileNotFound",
                MigrationErrorKind.AuthenticationFailed,
                $"There is no AWS profile '{name}' in the shared config and credentials files. Look at 'aws configure list-profiles', or create it with 'aws configure --profile {name}'.",
                name);

    private static async Task<AWSCredentials> ResolveCredentialsAsync(
        TargetAccess access, AmazonDynamoDBConfig config, Uri? endpoint, CancellationToken cancellationToken)
    {
        if (access.AccessKeyId is not null || access.SecretAccessKey is not null)
        {
            return Explicit(access, endpoint);
        }

        try
        {
            AWSCredentials credentials;
            if (access.CurrentKeys is { } keys)
            {
                credentials = new OwnedCredentials(keys);
            }
            else if (access.ProfileName is { } name)
            {
                credentials = FindProfile(name).GetAWSCredentials(new CredentialProfileStoreChain());
            }
            else
            {
                credentials = await Task.Run(() => DefaultAWSCredentialsIdentityResolver.GetCredentials(config), cancellationToken)
                    .WaitAsync(CredentialTimeout, cancellationToken);
            }

            // Somebody has to look for his device first.
            var asks = MfaCode.Use(credentials, access.AskMfaCode);
            await credentials.GetCredentialsAsync().WaitAsync(asks ? MfaCode.Patience : CredentialTimeout, cancellationToken);
            return credentials;
        }
        catch (Exception e) when (e is not OperationCanceledException and not MigrationException)
        {
            if (ErrorText.Chain(e).OfType<MigrationException>().FirstOrDefault() is { } own)
            {
                throw own;
            }

            if (e is AmazonServiceException { ErrorCode: { Length: > 0 } code } && (FailureCodes.IsCredentialTrouble(code) || code.StartsWith("AccessDenied", StringComparison.Ordinal)))
            {
                throw TargetErrors.FromCode(code, e.Message, endpoint ?? new Uri("https://sts.amazonaws.com"), "Getting credentials", e);
            }

            throw access.CurrentKeys is not null ? TargetErrors.OwnerGivesNone(e)
                : access.ProfileName is null ? TargetErrors.CredentialsMissing(endpoint, e) : TargetErrors.ProfileUnusable(access.ProfileName, e);
        }
    }

    private static AWSCredentials Explicit(TargetAccess access, Uri? endpoint)
    {
        if (string.IsNullOrEmpty(access.AccessKeyId) || string.IsNullOrEmpty(access.SecretAccessKey))
        {
            throw new MigrationException(
                "CredentialsMissing",
                MigrationErrorKind.AuthenticationFailed,
                $"Half of the AWS credentials was passed: the {(string.IsNullOrEmpty(access.AccessKeyId) ? "access key id" : "secret access key")} is missing. Pass both, or a profile.",
                endpoint);
        }

        return string.IsNullOrEmpty(access.SessionToken)
            ? new BasicAWSCredentials(access.AccessKeyId, access.SecretAccessKey)
            : new SessionAWSCredentials(access.AccessKeyId, access.SecretAccessKey, access.SessionToken);
    }

    /// <summary>DescribeTable is needed anyway, so it asks for no permission of its own; that the table is missing is an answer too.</summary>
    private static async Task ProveAsync(AmazonDynamoDBClient client, Uri endpoint, string table, CancellationToken cancellationToken)
    {
        try
        {
            await client.DescribeTableAsync(table, cancellationToken);
        }
        catch (ResourceNotFoundException)
        {
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is not MigrationException)
        {
            throw e is OperationCanceledException ? TargetErrors.Unreachable(endpoint, e) : TargetErrors.From(e, endpoint, $"Looking at table '{table}'");
        }
    }
}
