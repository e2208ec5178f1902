using System.Security.Cryptography;
using System.Text;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>The parts of one transaction, each with what it means when its condition does not hold. An item stands in it once.</summary>
internal sealed class TransactionParts(MigrationDefinition definition, TimeProvider time)
{
    public const int Most = 100;

    private readonly List<(TransactWriteItem Item, StoreException Refusal)> parts = [];
    private readonly HashSet<string> touched = new(StringComparer.Ordinal);
    private long bytes;

    /// <summary>Of the route, under which alone it may be sent; null: under any by which writes go to the table.</summary>
    public long? Epoch { get; init; }

    public int Count => parts.Count;

    /// <summary>True when a further row, its claims and checks might be too much: a transaction takes 100 items, and 4 MB together with its conditions.</summary>
    public bool IsFull => parts.Count > Most - 10 || bytes > 1024 * 1024;

    public TransactWriteItemsRequest Request => new() { TransactItems = [.. parts.Select(p => p.Item)] };

    public StoreException RefusalOf(int part) => parts[part].Refusal;

    public void Put(Dictionary<string, AttributeValue> item, Dictionary<string, AttributeValue>? before, StoreException refusal)
    {
        bytes += Size(item) + Size(before);
        var (expression, names, values) = ItemImage.IsStill(before, item.Keys);
        Add(
            definition.Target.Table, item,
            new TransactWriteItem { Put = new Put { TableName = definition.Target.Table, Item = item, ConditionExpression = expression, ExpressionAttributeNames = names, ExpressionAttributeValues = values } },
            refusal);
    }

    public void Delete(Dictionary<string, AttributeValue> before, StoreException refusal)
    {
        bytes += Size(before);
        var (expression, names, values) = ItemImage.IsStill(before, []);
        Add(
            definition.Target.Table, before,
            new TransactWriteItem { Delete = new Delete { TableName = definition.Target.Table, Key = ItemCodec.KeyOf(before), ConditionExpression = expression, ExpressionAttributeNames = names, ExpressionAttributeValues = values } },
            refusal);
    }

    /// <summary>The parent is there, and refers as the child does; a parent that this transaction writes itself needs no check.</summary>
    public void RequireParent(Dictionary<string, AttributeValue> key, IReadOnlyDictionary<string, AttributeValue> has, StoreException refusal)
    {
        if (touched.Contains(Name(definition.Target.Table, key)))
        {
            return;
        }

        var terms = has.Select((_, i) => $"#{i}=:{i}").Prepend("attribute_exists(pk)");
        Add(
            definition.Target.Table, key,
            new TransactWriteItem
            {
                ConditionCheck = new ConditionCheck
                {
                    TableName = definition.Target.Table,
                    Key = key,
                    ConditionExpression = string.Join(" AND ", terms),
                    ExpressionAttributeNames = has.Count == 0 ? null : has.Select((a, i) => (a.Key, i)).ToDictionary(a => $"#{a.i}", a => a.Key),
                    ExpressionAttributeValues = has.Count == 0 ? null : has.Select((a, i) => (a.Value, i)).ToDictionary(a => $":{a.i}", a => a.Value),
                },
            },
            refusal);
    }

    /// <summary>Nobody is deleting the row.</summary>
    public void RequireNoDeletion(EntityModel model, string row, StoreException refusal)
    {
        var key = DeletionKey(model, row);
        if (!touched.Contains(Name(definition.Target.ControlTableName, key)))
        {
            Add(
                definition.Target.ControlTableName, key,
                new TransactWriteItem
                {
                    ConditionCheck = new ConditionCheck
                    {
                        TableName = definition.Target.ControlTableName,
                        Key = key,
                        ConditionExpression = "attribute_not_exists(pk) OR #u < :now",
                        ExpressionAttributeNames = new() { ["#u"] = "until" },
                        ExpressionAttributeValues = new() { [":now"] = Seconds(TimeSpan.Zero) },
                    },
                },
                refusal);
        }
    }

    public void EndDeletion(EntityModel model, string row)
    {
        var key = DeletionKey(model, row);
        Add(
            definition.Target.ControlTableName, key, new TransactWriteItem { Delete = new Delete { TableName = definition.Target.ControlTableName, Key = key } },
            new StoreException(StoreError.Conflict, model.Entity, "A deletion was not ended."));
    }

    /// <summary>A large unit begins, or goes on as this owner's, or ends.</summary>
    public void Add(TransactWriteItem intent, Dictionary<string, AttributeValue> key, StoreException refusal) => Add(definition.Target.ControlTableName, key, intent, refusal);

    /// <summary>What no table can take.</summary>
    public void AddRehearsal()
    {
        // Each has a key of its own: two at one would be in each other's way.
        var key = ControlKey($"REHEARSAL#{Guid.NewGuid():N}", "REHEARSAL");
        Add(
            definition.Target.ControlTableName, key,
            new TransactWriteItem { Put = new Put { TableName = definition.Target.ControlTableName, Item = key, ConditionExpression = "attribute_exists(pk) AND attribute_not_exists(pk)" } },
            new StoreException(StoreError.Conflict, definition.Target.Table, "A rehearsal was refused."));
    }

    /// <summary>A unique value is this row's from now on.</summary>
    /// <param name="isNew">False: it was its own before, and its item moves.</param>
    /// <param name="left">Version of a claim to it that nobody holds any more.</param>
    public void Claim(UniqueValue value, Dictionary<string, AttributeValue> item, bool isNew, string? left = null)
    {
        var claim = ClaimKey(value);
        claim["kind"] = new AttributeValue("UniqueValue");
        claim["itemPk"] = item[EntityModel.PartitionKey];
        claim["itemSk"] = item[EntityModel.SortKey];
        claim["version"] = new AttributeValue(Guid.NewGuid().ToString("N"));
        var put = new Put { TableName = definition.Target.ControlTableName, Item = claim, ConditionExpression = !isNew ? null : left is null ? "attribute_not_exists(pk)" : "version = :left" };
        if (left is not null)
        {
            put.ExpressionAttributeValues = new() { [":left"] = new AttributeValue(left) };
        }

        // Another row of the unit leaves it: that row is required to be as it was, so the value is its own to hand over.
        if (parts.FindIndex(p => p.Item.Delete is { } left && left.TableName == put.TableName && left.Key["pk"].S == claim["pk"].S) is >= 0 and var at)
        {
            (put.ConditionExpression, put.ExpressionAttributeValues) = (null, null);
            parts[at] = (new TransactWriteItem { Put = put }, parts[at].Refusal);
            return;
        }

        Add(definition.Target.ControlTableName, claim, new TransactWriteItem { Put = put }, StoreErrors.Duplicate(value.Constraint));
    }

    public void GiveBack(UniqueValue value)
    {
        var key = ClaimKey(value);
        Add(
            definition.Target.ControlTableName, key, new TransactWriteItem { Delete = new Delete { TableName = definition.Target.ControlTableName, Key = key } },
            StoreErrors.Duplicate(value.Constraint));
    }

    public Dictionary<string, AttributeValue> ClaimKey(UniqueValue value) => ControlKey($"UNIQUE#{value.Entity}#{value.Constraint}#{Hash(value.Text)}", "UNIQUE");

    public Dictionary<string, AttributeValue> DeletionKey(EntityModel model, string row) => ControlKey($"DELETING#{model.Entity}#{Hash(row)}", "DELETING");

    /// <summary>All intents are in it: those that are open are found by a query.</summary>
    public AttributeValue IntentPartition => ControlKey(Intent.Partition, "")["pk"];

    public Dictionary<string, AttributeValue> IntentKey(string kind, EntityModel model, string row) => ControlKey(Intent.Partition, $"{kind}#{model.Entity}#{Hash(row)}");

    /// <summary>Seconds since 1970, as the control table has points in time that expire.</summary>
    public AttributeValue Seconds(TimeSpan from) => new() { N = (time.GetUtcNow() + from).ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture) };

    private Dictionary<string, AttributeValue> ControlKey(string what, string sk) =>
        new() { ["pk"] = new AttributeValue($"{StoreSchema.Partition(definition)}#{what}"), ["sk"] = new AttributeValue(sk) };

    // Values of unique columns may be personal and long.
    private static string Hash(string text) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private void Add(string table, Dictionary<string, AttributeValue> key, TransactWriteItem item, StoreException refusal)
    {
        if (touched.Add(Name(table, key)))
        {
            parts.Add((item, refusal));
        }
        else if (item.ConditionCheck is null)
        {
            throw new StoreException(StoreError.NotSupported, table, "A unit changes each row, and each value of a unique key, once only: put both changes into one.");
        }
    }

    private static long Size(Dictionary<string, AttributeValue>? item) =>
        item?.Sum(a => a.Key.Length + (a.Value.S is { } text ? Encoding.UTF8.GetByteCount(text) : a.Value.N?.Length ?? a.Value.B?.Length ?? 0)) ?? 0;

    private static string Name(string table, Dictionary<string, AttributeValue> key) => $"{table}\n{key[EntityModel.PartitionKey].S}\n{key[EntityModel.SortKey].S}";
}

/// <summary>A row's value of a unique key.</summary>
/// <param name="Columns">Indexes in the row's layout.</param>
/// <param name="Text">Equal for values that the source takes for equal.</param>
internal sealed record UniqueValue(string Entity, string Constraint, System.Collections.Immutable.ImmutableArray<int> Columns, string Text)
{
    public const string PrimaryKey = "PRIMARY";

    /// <summary>Unique keys of a row that its item's own key does not keep unique; those with a NULL in them never clash.</summary>
    public static IEnumerable<UniqueValue> Of(EntityModel model, RowBuffer row)
    {
        var own = model.Keys[0].PartitionKey.Concat(model.Keys[0].SortKey).SelectMany(t => t.RowIndexes).ToHashSet();
        var keys = model.Table.UniqueKeys.Where(k => !model.Table.PrimaryKey.All(p => k.Columns.Contains(p, StringComparer.OrdinalIgnoreCase)))
            .Select(k => (k.Name, Columns: k.Columns.Select(c => EntityModel.Find(model.Row, null, c)).ToArray()));
        if (!own.SetEquals(model.PrimaryKey))
        {
            keys = keys.Prepend((PrimaryKey, [.. model.PrimaryKey]));
        }

        return keys.Where(k => k.Columns.All(c => c >= 0 && !row.IsNull(c)))
            .Select(k => new UniqueValue(model.Entity, k.Name, [.. k.Columns], string.Join('\u0001', k.Columns.Select(c => Folded(model.Row[c].Column, row[c])))));
    }

    /// <summary>Texts that most collations take for equal: without case, and without the blanks at their end. Binary collations tell them apart.</summary>
    private static string Folded(ColumnSchema column, ReadOnlySpan<byte> value)
    {
        var text = KeyText.Of(column, value);
        return column.Collation is null || column.Collation.EndsWith("_bin", StringComparison.Ordinal) ? text : text.TrimEnd(' ').ToUpperInvariant();
    }
}
