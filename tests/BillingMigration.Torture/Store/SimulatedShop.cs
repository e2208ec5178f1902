using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using Amazon.Runtime;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Simulation;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Target;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>The sample billing table on a simulated DynamoDB: both tables, the kept schema, and rows as the migration leaves them, without claims and versions.</summary>
internal sealed class SimulatedShop : IDisposable
{
    public const string Address = "http://127.0.0.1:1/";

    private readonly VirtualTime time;
    private readonly SimulatedDynamoDb dynamoDb;
    private readonly AmazonDynamoDBClient client;

    /// <param name="change">Changes a table of the sample's; null: as they are.</param>
    /// <param name="define">Changes the text of the sample's definition; null: as it is.</param>
    public SimulatedShop(VirtualTime time, SimulatedDynamoDb dynamoDb, Func<TableSchema, TableSchema>? change = null, Func<string, string>? define = null)
    {
        (this.time, this.dynamoDb) = (time, dynamoDb);
        var text = File.ReadAllText(Repository.PathOf("examples", "sample", "migration.json"));
        var sample = MigrationDefinitionFile.Parse(define?.Invoke(text) ?? text, null);
        Definition = WithCalls(sample with { Target = sample.Target with { EndpointUrl = new Uri(Address), Table = "billing" } });
        Tables = JsonSerializer.Deserialize<TableSchema[]>(File.ReadAllBytes(Repository.PathOf("tests", "BillingMigration.Torture", "Store", "sample-schema.json")))!.Select(t => change?.Invoke(t) ?? t).ToArray();
        Model = BillingModel.Bind(Definition, ByName(Tables));
        client = new AmazonDynamoDBClient("local", "local", new AmazonDynamoDBConfig
        {
            ServiceURL = Address, AuthenticationRegion = "eu-central-1", MaxErrorRetry = 0, HttpClientFactory = new Factory(dynamoDb.CreateHandler(new SimulatedProcess(time, "setup"))),
        });
    }

    /// <summary>The sample with the table of calls that have a key, as the documentation says.</summary>
    public static MigrationDefinition WithCalls(MigrationDefinition definition)
    {
        var sample = File.ReadAllText(Repository.PathOf("examples", "sample", "migration.json")).TrimEnd();
        var calls = MigrationDefinitionFile.Parse($"{sample[..sample.LastIndexOf(']')]}, {CallTable.Definition(new())} ] }}", null).Entities[^1];
        return definition with { Entities = definition.Entities.Add(calls) };
    }

    /// <summary>The sample with service agreements in the partition of their subscriber's account, by a lookup.</summary>
    public static string WithLookups(string sample) => sample.Replace(
        "\"pk\": \"ACCOUNT#{account_id}\",\n      \"sk\": \"SUBSCRIBER#{subscriber_id:D20}#AGREEMENT",
        "\"lookups\": { \"sub\": { \"table\": \"subscriber\", \"on\": { \"subscriber_id\": \"subscriber_id\" } } },\n      \"pk\": \"ACCOUNT#{sub.account_id}\",\n      \"sk\": \"SUBSCRIBER#{subscriber_id:D20}#AGREEMENT", StringComparison.Ordinal);

    /// <summary>Charges whose descriptions have 16 MB.</summary>
    public static TableSchema WithLongTexts(TableSchema table) => table.Name != "charge" ? table
        : table with { Columns = [.. table.Columns.Select(c => c.Name == "description" ? c with { DataType = "mediumtext", ColumnType = "mediumtext", MaxLength = 16_777_215 } : c)] };

    public MigrationDefinition Definition { get; }

    /// <summary>As the first processes know them.</summary>
    public TableSchema[] Tables { get; }

    public BillingModel Model { get; }

    /// <summary>A column that a later version of the schema has, and most processes do not know.</summary>
    public const string LaterColumn = "loyalty";

    /// <summary>The tables after ALTER TABLE … ADD of charge, billing_account and bill.</summary>
    public TableSchema[] LaterTables => [.. Tables.Select(t => t.Name is "charge" or "billing_account" or "bill"
        ? t with { Columns = t.Columns.Add(new ColumnSchema { Name = LaterColumn, Ordinal = t.Columns.Length + 1, DataType = "int", ColumnType = "int", Nullable = true, HasDefault = true }) }
        : t)];

    public void Dispose() => client.Dispose();

    /// <summary>What is to be done before there are rows; each may be done again.</summary>
    public IEnumerable<Func<Task>> Steps()
    {
        yield return () => client.CreateTableAsync(Plain(TableSpec.Billing(Definition.Target) with { Indexes = Definition.Indexes }));
        yield return () => client.CreateTableAsync(Plain(TableSpec.Control(Definition.Target)));
        yield return () => client.PutItemAsync(Definition.Target.ControlTableName, new Dictionary<string, AttributeValue>
        {
            ["pk"] = new($"MIGRATION#{Definition.Name}#SECRET"), ["sk"] = new("SECRET"), ["kind"] = new("StoreSecret"), ["secret"] = new() { B = new MemoryStream(new byte[32]) },
        });
        yield return () => SaveSchemaAsync(Tables);
        foreach (var entity in Model.Entities)
        {
            yield return () => Sequence.RaiseAsync(client, Definition, entity.Entity, 1_000, CancellationToken.None);
        }
    }

    public Task SaveSchemaAsync(TableSchema[] tables) => StoreSchema.PutAsync(client, Definition, tables, CancellationToken.None);

    /// <summary>Puts a row as the export does.</summary>
    public Task PutAsync(EntityModel entity, RowBuffer row) => client.PutItemAsync(Definition.Target.Table, new ItemCodec().Encode(entity, row));

    /// <summary>Sets an attribute of an item of the control table, as by hand.</summary>
    /// <param name="value">Null: takes it away.</param>
    public async Task SetControlAsync(string pk, string sk, string attribute, string? value)
    {
        var request = new UpdateItemRequest
        {
            TableName = Definition.Target.ControlTableName, Key = new() { ["pk"] = new(pk), ["sk"] = new(sk) },
            UpdateExpression = value is null ? "REMOVE #a" : "SET #a = :a", ExpressionAttributeNames = new() { ["#a"] = attribute }, ExpressionAttributeValues = value is null ? null : new() { [":a"] = new(value) },
        };
        while (true)
        {
            try
            {
                await client.UpdateItemAsync(request);
                return;
            }
            catch (TransactionConflictException)
            {
                // A part of a unit is on its way.
            }
        }
    }

    public Task<DynamoDbBillingStore> OpenAsync(SimulatedProcess process, Random random) => DynamoDbBillingStore.OpenAsync(
        Definition, new TargetAccess { AccessKeyId = "local", SecretAccessKey = "local", Network = () => dynamoDb.CreateHandler(process) },
        new StoreTimes { IntentPeriod = TimeSpan.FromSeconds(20), Random = random.NextDouble, NewGuid = () => NewGuid(random) }, process.Clock, CancellationToken.None);

    private static Guid NewGuid(Random random)
    {
        var bytes = new byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }

    public static Dictionary<string, TableSchema> ByName(IEnumerable<TableSchema> tables) => tables.ToDictionary(t => t.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>The row of an item.</summary>
    public static RowBuffer RowOf(EntityModel entity, Item item) => new RowDecoder(entity).TryDecode(Encoding.UTF8.GetBytes(item.ToString()))!;

    /// <summary>A row as the migration leaves it.</summary>
    public static RowBuffer RowOf(EntityModel entity, long id, IReadOnlyDictionary<string, object?> values)
    {
        var row = RowBuffer.AllNull(entity.Row.Length);
        row.Set(entity.PrimaryKey[0], id.ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach (var attribute in entity.Attributes.Where(a => a.Column is { Nullable: false, AutoIncrement: false }))
        {
            var text = attribute.Column.DefaultIsExpression ? "2026-01-01 00:00:00.000000" : attribute.Column.Default;
            if (text is not null)
            {
                row.Set(attribute.RowIndex, StoreValue.ToText(entity, attribute.RowIndex, text));
            }
        }

        foreach (var (column, value) in values.Where(v => v.Value is not null))
        {
            var index = EntityModel.Find(entity.Row, null, column);
            row.Set(index, StoreValue.ToText(entity, index, value!));
        }

        return row;
    }

    /// <summary>Tables as sample-schema.json has them: without what differs from server to server.</summary>
    public static string Json(IEnumerable<TableSchema> tables) => JsonSerializer.Serialize(
        tables.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => t with { Database = "billing", EstimatedRows = 0, AverageRowBytes = 0 }).ToArray(), Indented);

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static CreateTableRequest Plain(TableSpec spec)
    {
        var request = spec.ToRequest();
        (request.SSESpecification, request.Tags, request.StreamSpecification, request.DeletionProtectionEnabled) = (null, null, null, null);
        return request;
    }

    private sealed class Factory(HttpMessageHandler handler) : HttpClientFactory, IDisposable
    {
        private readonly HttpClient http = new(handler) { Timeout = Timeout.InfiniteTimeSpan };

        public override HttpClient CreateHttpClient(IClientConfig clientConfig) => http;

        public void Dispose() => http.Dispose();

        public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

        public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;
    }
}
