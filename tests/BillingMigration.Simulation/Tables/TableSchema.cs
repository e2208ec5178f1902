using System.Text.Json;

namespace BillingMigration.Simulation;

internal sealed record KeyAttribute(string Name, ItemValueKind Kind);

/// <summary>The key attributes of a table or an index.</summary>
internal sealed record KeySchema(KeyAttribute Partition, KeyAttribute? Sort)
{
    public static KeySchema Read(JsonElement schema, Dictionary<string, ItemValueKind> types)
    {
        var keys = schema.EnumerateArray().Select(k => new KeyAttribute(
            k.GetProperty("AttributeName"u8).GetString()!,
            types.TryGetValue(k.GetProperty("AttributeName"u8).GetString()!, out var kind) ? kind : throw ServiceError.Invalid("A key attribute is not defined"))).ToArray();
        return keys.Length is 1 or 2 ? new KeySchema(keys[0], keys.ElementAtOrDefault(1)) : throw ServiceError.Invalid("A key schema has one or two attributes");
    }

    public bool Contains(string name) => Partition.Name == name || Sort?.Name == name;
}

/// <summary>The names and keys of a table and its global secondary indexes.</summary>
internal sealed class TableSchema
{
    private const int MaxPartition = 2048;
    private const int MaxSort = 1024;

    private TableSchema(string name, JsonElement definition, KeySchema keys) => (Name, Definition, Keys) = (name, definition, keys);

    public string Name { get; }

    /// <summary>The request that created the table, which DescribeTable repeats.</summary>
    public JsonElement Definition { get; }

    public KeySchema Keys { get; }

    public List<IndexSchema> Indexes { get; } = [];

    public static TableSchema Read(JsonElement request)
    {
        var types = request.GetProperty("AttributeDefinitions"u8).EnumerateArray().ToDictionary(
            a => a.GetProperty("AttributeName"u8).GetString()!,
            a => a.GetProperty("AttributeType"u8).GetString() switch
            {
                "S" => ItemValueKind.S,
                "N" => ItemValueKind.N,
                "B" => ItemValueKind.B,
                var other => throw ServiceError.Invalid($"AttributeType cannot be {other}"),
            });
        var schema = new TableSchema(request.GetProperty("TableName"u8).GetString()!, request.Clone(), KeySchema.Read(request.GetProperty("KeySchema"u8), types));
        if (request.TryGetProperty("GlobalSecondaryIndexes"u8, out var indexes))
        {
            schema.Indexes.AddRange(indexes.EnumerateArray().Select(i => IndexSchema.Read(i, schema.Keys, types)));
        }

        return schema;
    }

    public bool IsKey(string name) => Keys.Contains(name);

    /// <summary>The key in an item that is to be written, with every rule that keys of the table and its indexes must keep.</summary>
    public ItemKey KeyOf(Item item)
    {
        var key = new ItemKey(KeyValue(item, Keys.Partition, MaxPartition), Keys.Sort is null ? null : KeyValue(item, Keys.Sort, MaxSort));
        CheckIndexKeys(item);
        return key;
    }

    /// <summary>A key that a request gives: exactly the key attributes.</summary>
    public ItemKey KeyOf(JsonElement key)
    {
        var item = ItemJson.ReadItem(key);
        return item.Count == (Keys.Sort is null ? 1 : 2)
            ? new ItemKey(KeyValue(item, Keys.Partition, MaxPartition), Keys.Sort is null ? null : KeyValue(item, Keys.Sort, MaxSort))
            : throw ServiceError.Invalid("The provided key element does not match the schema");
    }

    public void CheckIndexKeys(Item item)
    {
        foreach (var index in Indexes)
        {
            CheckIndexKey(item, index.Keys.Partition, MaxPartition);
            if (index.Keys.Sort is { } sort)
            {
                CheckIndexKey(item, sort, MaxSort);
            }
        }
    }

    public Item KeyItem(ItemKey key)
    {
        var item = new Dictionary<string, ItemValue>(StringComparer.Ordinal) { [Keys.Partition.Name] = key.Partition };
        if (Keys.Sort is not null)
        {
            item[Keys.Sort.Name] = key.Sort!;
        }

        return new Item(item);
    }

    private static ItemValue KeyValue(Item item, KeyAttribute key, int limit)
    {
        if (!item.TryGetValue(key.Name, out var value))
        {
            throw ServiceError.Invalid($"One or more parameter values were invalid: Missing the key {key.Name} in the item");
        }

        if (value.Kind != key.Kind)
        {
            throw ServiceError.Invalid($"One or more parameter values were invalid: Type mismatch for key {key.Name} expected: {key.Kind} actual: {value.Kind}");
        }

        CheckSize(value, key, limit);
        return value;
    }

    private static void CheckIndexKey(Item item, KeyAttribute key, int limit)
    {
        if (!item.TryGetValue(key.Name, out var value))
        {
            return;
        }

        if (value.Kind != key.Kind)
        {
            throw ServiceError.Invalid($"One or more parameter values were invalid: Type mismatch for Index Key {key.Name} Expected: {key.Kind} Actual: {value.Kind}");
        }

        CheckSize(value, key, limit);
    }

    private static void CheckSize(ItemValue value, KeyAttribute key, int limit)
    {
        var size = value.Size();
        if (size == 0 || size > limit)
        {
            throw ServiceError.Invalid($"One or more parameter values were invalid: the key {key.Name} has {size} bytes; it may have 1 to {limit}");
        }
    }
}

/// <summary>A global secondary index: its keys and what it holds of an item.</summary>
internal sealed class IndexSchema
{
    private HashSet<string>? projected;

    public required string Name { get; init; }

    public required KeySchema Keys { get; init; }

    public bool ProjectsAll => projected is null;

    public static IndexSchema Read(JsonElement index, KeySchema table, Dictionary<string, ItemValueKind> types)
    {
        var schema = new IndexSchema { Name = index.GetProperty("IndexName"u8).GetString()!, Keys = KeySchema.Read(index.GetProperty("KeySchema"u8), types) };
        var projection = index.GetProperty("Projection"u8);
        if (projection.GetProperty("ProjectionType"u8).GetString() != "ALL")
        {
            var names = new[] { table.Partition.Name, table.Sort?.Name, schema.Keys.Partition.Name, schema.Keys.Sort?.Name }.OfType<string>();
            schema.projected = new HashSet<string>(names, StringComparer.Ordinal);
            if (projection.TryGetProperty("NonKeyAttributes"u8, out var more))
            {
                schema.projected.UnionWith(more.EnumerateArray().Select(n => n.GetString()!));
            }
        }

        return schema;
    }

    public bool Projects(string name) => projected is null || projected.Contains(name);

    /// <summary>What the index holds of an item; nothing if the item lacks a key of the index.</summary>
    public Item? Project(Item? item) =>
        item is null || !item.ContainsKey(Keys.Partition.Name) || (Keys.Sort is { } sort && !item.ContainsKey(sort.Name)) ? null
        : projected is null ? item
        : new Item(item.Where(a => projected.Contains(a.Key)).ToDictionary(a => a.Key, a => a.Value, StringComparer.Ordinal));

    public ItemKey KeyOf(Item item) => new(item[Keys.Partition.Name], Keys.Sort is { } sort ? item[sort.Name] : null);
}
