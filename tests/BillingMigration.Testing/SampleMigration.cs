using System.Collections.Immutable;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Target;
using MySqlConnector;

namespace BillingMigration.Testing;

/// <summary>The sample definition pointed at servers of a test: a source database, and tables of its own in DynamoDB Local.</summary>
public sealed class SampleMigration(MigrationDefinition definition, SourceCredential credential) : IAsyncDisposable
{
    private static int tables;

    public static TargetAccess Access { get; } = new() { AccessKeyId = "local", SecretAccessKey = "local" };

    public MigrationDefinition Definition { get; set; } = definition;

    public SourceCredential Credential { get; } = credential;

    /// <summary>The SDK's own client, for looking at the table independently.</summary>
    public IAmazonDynamoDB Client { get; } = new AmazonDynamoDBClient(
        "local", "local", new AmazonDynamoDBConfig { ServiceURL = definition.Target.EndpointUrl!.ToString(), AuthenticationRegion = definition.Target.Region });

    public string Table => Definition.Target.Table;

    public static SampleMigration Create(string sourceConnectionString, Uri targetEndpoint)
    {
        var source = new MySqlConnectionStringBuilder(sourceConnectionString);
        var sample = MigrationDefinitionFile.Load(Repository.PathOf("examples", "sample", "migration.json"));
        return new SampleMigration(
            sample with
            {
                Source = sample.Source with { Host = source.Server, Port = (int)source.Port, Database = source.Database },
                Target = sample.Target with { EndpointUrl = targetEndpoint, Table = $"billing-{Environment.ProcessId}-{Interlocked.Increment(ref tables)}" },
            },
            new SourceCredential(source.UserID, source.Password));
    }

    /// <summary>From now on all sensitive columns are encrypted, with a data key that a new KMS key wraps.</summary>
    public async Task EncryptAsync(KmsServer kms) => Definition = Definition with
    {
        Target = Definition.Target with { Encryption = new EncryptionDefinition { KmsKeyId = await kms.CreateKeyAsync(), KmsEndpointUrl = kms.Endpoint } },
        Entities = [.. Definition.Entities.Select(e => e with { Columns = e.Columns.SetItems(e.Columns.Where(c => c.Value.Sensitive).Select(c => KeyValuePair.Create(c.Key, c.Value with { Encrypt = true }))) })],
    };

    public Task<MigrationSession> ConnectAsync() =>
        MigrationSession.ConnectAsync(Definition, Credential, Access, TimeProvider.System, CancellationToken.None);

    /// <summary>Creates the billing and the control table.</summary>
    /// <param name="stream">Without it the stream is taken away again: DynamoDB Local becomes slower with every record in one.</param>
    public async Task InitializeAsync(bool stream = false)
    {
        await using var session = await ConnectAsync();
        await new TableInitializer(session).InitializeAsync(new Progress<string>(), CancellationToken.None);
        if (!stream)
        {
            await Client.UpdateTableAsync(new UpdateTableRequest { TableName = Table, StreamSpecification = new StreamSpecification { StreamEnabled = false } });
        }
    }

    /// <summary>Deletes both tables: DynamoDB Local keeps them in memory.</summary>
    public async Task DropAsync()
    {
        foreach (var table in new[] { Definition.Target.Table, Definition.Target.ControlTableName })
        {
            // Initialize protects tables against deletion.
            await Client.UpdateTableAsync(new UpdateTableRequest { TableName = table, DeletionProtectionEnabled = false });
            await Client.DeleteTableAsync(table);
        }
    }

    public ValueTask DisposeAsync()
    {
        Client.Dispose();
        return ValueTask.CompletedTask;
    }
}
