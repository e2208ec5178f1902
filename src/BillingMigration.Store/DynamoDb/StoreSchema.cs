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

        await PutAsync(session.Target.Client, definition, tables.Values, cancellationToken);
        return schema;
    }

    /// <summary>Keeps tables as they are given.</summary>
    internal static Task PutAsync(IAmazonDynamoDB client, MigrationDefinition definition, IEnumerable<TableSchema> tables, CancellationToken cancellationToken)
    {
        var item = new Dictionary<string, AttributeValue>
        {
            ["pk"] = new(Partition(definition)),
            ["sk"] = new(SortKey),
            ["kind"] = new("StoreSchema"),
            ["format"] = new() { N = "1" },
            ["tables"] = new() { B = new MemoryStream(Pack(tables)) },
        };
        return client.PutItemAsync(new PutItemRequest { TableName = definition.Target.ControlTableName, Item = item }, cancellationToken);
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
