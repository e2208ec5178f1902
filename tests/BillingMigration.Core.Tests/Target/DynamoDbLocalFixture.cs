using System.Collections.Immutable;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Target;
using BillingMigration.Testing;
using BillingMigration.Tests.Target;

[assembly: Xunit.AssemblyFixture(typeof(DynamoDbLocalFixture))]

namespace BillingMigration.Tests.Target;

/// <summary>Definitions, connections and tables on the shared DynamoDB Local; each test uses tables of its own.</summary>
public sealed class DynamoDbLocalFixture : Xunit.IAsyncLifetime
{
    // Assembly fixtures cannot be given one another; the server is the same when the build script has started it.
    private readonly TestServers servers = new();

    public Uri Url { get; private set; } = null!;

    public int Port => Url.Port;

    public static TargetAccess Access => SampleMigration.Access;

    public async ValueTask InitializeAsync() => Url = (await servers.DynamoDbAsync()).Endpoint;

    public ValueTask DisposeAsync() => servers.DisposeAsync();

    public MigrationDefinition Definition(string? table = null, Uri? endpoint = null, params IndexDefinition[] indexes) => new()
    {
        Name = "test",
        Source = new SourceDefinition { Host = "127.0.0.1", Database = "billing" },
        Target = new TargetDefinition { Region = "eu-central-1", EndpointUrl = endpoint ?? Url, Table = table ?? NewName() },
        Entities = [],
        Indexes = [.. indexes],
    };

    public static string NewName() => "t-" + Guid.NewGuid().ToString("N")[..12];

    public Task<TargetConnection> ConnectAsync(Uri? endpoint = null) =>
        TargetConnection.OpenAsync(Definition(endpoint: endpoint), Access, Xunit.TestContext.Current.CancellationToken);

    /// <summary>A table with pk and sk.</summary>
    public static async Task<string> CreateTableAsync(IAmazonDynamoDB client)
    {
        var name = NewName();
        await client.CreateTableAsync((TableSpec.Control(new TargetDefinition { Table = name, ControlTable = name }) with { Tags = ImmutableSortedDictionary<string, string>.Empty }).ToRequest());
        return name;
    }
}
