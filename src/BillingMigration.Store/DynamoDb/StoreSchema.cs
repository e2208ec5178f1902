using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Store.MySql;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What the table does not say of its rows and the source did: types, lengths, defaults, keys, foreign keys, and where generated keys go on. Kept in the control table, so that the
/// store needs no source.
/// </summary>
public sealed class StoreSchema
{
    private const string SortKey = "STORE#SCHEMA";

    private StoreSchema(IReadOnlyDictionary<string, TableSchema> tables) => Tables = tables;

    /// <summary>The source's tables by name.</summary>
    public IReadOnlyDictionary<string, TableSchema> Tables { get; }

    /// <summary>Reads the source's tables and the highest of the keys that it has given, and keeps both. Generated keys never go back.</summary>
    public static async Task<StoreSchema> SaveAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        var definition = session.Definition;
        var schema = await ReadAsync(session, cancellationToken);
        var tables = schema.Tables;
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        foreach (var entity in BillingModel.Bind(definition, tables).Entities)
        {
            if (entity.Table.Columns.Any(c => c.AutoIncrement))
            {
                var highest = await SourceKeys.FindHighestAsync(connection, entity, cancellationToken);
                await Sequence.RaiseAsync(session.Target.Client, definition, entity.Entity, highest, cancellationToken);
            }
        }

        var item = new Dictionary<string, AttributeValue>
        {
            ["pk"] = new(Partition(definition)),
            ["sk"] = new(SortKey),
            ["kind"] = new("StoreSchema"),
            ["format"] = new() { N = "1" },
            ["tables"] = new() { B = new MemoryStream(Pack(tables.Values)) },
        };
        await session.Target.Client.PutItemAsync(new PutItemRequest { TableName = definition.Target.ControlTableName, Item = item }, cancellationToken);
        return schema;
    }

    /// <summary>The source's tables as they are now; nothing is kept.</summary>
    public static async Task<StoreSchema> ReadAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        return new StoreSchema(await SchemaInspector.InspectAsync(connection, session.Definition.Source.Database, BillingModel.TablesOf(session.Definition), cancellationToken));
    }

    /// <exception cref="MigrationException"><c>StoreSchemaMissing</c>.</exception>
    public static async Task<StoreSchema> LoadAsync(IAmazonDynamoDB client, MigrationDefinition definition, CancellationToken cancellationToken) =>
        await TryLoadAsync(client, definition, cancellationToken) ?? throw new MigrationException(
            "StoreSchemaMissing", MigrationErrorKind.WrongState,
            $"The control table {definition.Target.ControlTableName} does not have the source's schema, without which no row can be written as the source would. Run Export-BillingSnapshot, which keeps it there, while the source is there.",
            definition.Target.ControlTableName);

    /// <returns>Null: none is kept.</returns>
    public static async Task<StoreSchema?> TryLoadAsync(IAmazonDynamoDB client, MigrationDefinition definition, CancellationToken cancellationToken)
    {
        var answer = await client.GetItemAsync(
            new GetItemRequest
            {
                TableName = definition.Target.ControlTableName,
                ConsistentRead = true,
                Key = new() { ["pk"] = new AttributeValue(Partition(definition)), ["sk"] = new AttributeValue(SortKey) },
            },
            cancellationToken);
        return answer.Item is { Count: > 0 } item
            ? new StoreSchema(Unpack(item["tables"].B.ToArray()))
            : null;
    }

    internal static string Partition(MigrationDefinition definition) => $"MIGRATION#{definition.Name}";

    private static byte[] Pack(IEnumerable<TableSchema> tables)
    {
        var packed = new MemoryStream();
        using (var stream = new BrotliStream(packed, CompressionLevel.Optimal))
        {
            JsonSerializer.Serialize(stream, tables.ToArray());
        }

        return packed.ToArray();
    }

    private static Dictionary<string, TableSchema> Unpack(byte[] packed)
    {
        using var stream = new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress);
        return JsonSerializer.Deserialize<TableSchema[]>(stream)!.ToDictionary(t => t.Name, StringComparer.OrdinalIgnoreCase);
    }
}

/// <summary>
/// Generated keys of one entity: taken from the control table in blocks. Keys that were taken and not used are left out for ever. A block is used up under the epoch of the route under which it was
/// asked for: one that was taken while calls were sent to the source may have been given there since.
/// </summary>
internal sealed class Sequence(IAmazonDynamoDB client, MigrationDefinition definition, string entity) : IDisposable
{
    private const int BlockSize = 20;

    private readonly SemaphoreSlim one = new(1);
    private decimal next;
    private decimal last = -1;
    private long takenUnder;

    /// <param name="epoch">Of the route, before the key is asked for: the row may be written under no other.</param>
    /// <param name="cancellationToken">At most a block is lost.</param>
    public async Task<decimal> NextAsync(long epoch, CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            if (next > last || epoch != takenUnder)
            {
                var answer = await client.UpdateItemAsync(
                    new UpdateItemRequest
                    {
                        TableName = definition.Target.ControlTableName,
                        Key = Key(definition, entity),
                        UpdateExpression = "ADD taken :n",
                        ConditionExpression = "attribute_exists(taken)",
                        ExpressionAttributeValues = new() { [":n"] = new AttributeValue { N = BlockSize.ToString(CultureInfo.InvariantCulture) } },
                        ReturnValues = ReturnValue.UPDATED_NEW,
                    },
                    cancellationToken);
                last = decimal.Parse(answer.Attributes["taken"].N, CultureInfo.InvariantCulture);
                next = last - BlockSize + 1;
                takenUnder = epoch;
            }

            return next++;
        }
        finally
        {
            one.Release();
        }
    }

    public void Dispose() => one.Dispose();

    /// <summary>No key up to this one is given any more.</summary>
    public static async Task RaiseAsync(IAmazonDynamoDB client, MigrationDefinition definition, string entity, decimal highest, CancellationToken cancellationToken)
    {
        try
        {
            await client.UpdateItemAsync(
                new UpdateItemRequest
                {
                    TableName = definition.Target.ControlTableName,
                    Key = Key(definition, entity),
                    UpdateExpression = "SET taken = :h",
                    ConditionExpression = "attribute_not_exists(taken) OR taken < :h",
                    ExpressionAttributeValues = new() { [":h"] = new AttributeValue { N = highest.ToString(CultureInfo.InvariantCulture) } },
                },
                cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            // It is beyond that already.
        }
    }

    /// <returns>The highest key that was taken; null: none ever was.</returns>
    public static async Task<decimal?> FindAsync(IAmazonDynamoDB client, MigrationDefinition definition, string entity, CancellationToken cancellationToken)
    {
        var answer = await client.GetItemAsync(
            new GetItemRequest { TableName = definition.Target.ControlTableName, Key = Key(definition, entity), ConsistentRead = true }, cancellationToken);
        return answer.IsItemSet ? decimal.Parse(answer.Item["taken"].N, CultureInfo.InvariantCulture) : null;
    }

    private static Dictionary<string, AttributeValue> Key(MigrationDefinition definition, string entity) =>
        new() { ["pk"] = new AttributeValue($"{StoreSchema.Partition(definition)}#SEQUENCE#{entity}"), ["sk"] = new AttributeValue("SEQUENCE") };
}
