using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>
/// Row to item: writes the canonical DynamoDB JSON of a row's item. A NULL column is an absent attribute. Not thread-safe: one encoder a
/// reader.
/// </summary>
public sealed class ItemEncoder
{
    /// <summary>DynamoDB's limit of an item, attribute names included.</summary>
    public const int MaxItemBytes = 400 * 1024;

    /// <summary>Limits of key attribute values, in bytes of UTF-8.</summary>
    public const int MaxPartitionKeyBytes = 2048;

    public const int MaxSortKeyBytes = 1024;

    private readonly EntityModel model;
    private readonly ScratchBuffer scratch = new();
    private readonly byte[] number = new byte[CanonicalNumber.MaxLength];
    private readonly byte[][] keyPrefixes;
    private readonly byte[] entityJson;
    private readonly byte[][] attributePrefixes;
    private readonly int[] attributeNameBytes;
    private readonly int entityBytes;

    public ItemEncoder(EntityModel model)
    {
        this.model = model;
        keyPrefixes = [.. model.Keys.SelectMany((k, i) => new[]
        {
            Prefix(i == 0 ? '{' : ',', k.PartitionKeyAttribute, AttributeType.S), Prefix(',', k.SortKeyAttribute, AttributeType.S),
        })];
        entityJson = [.. Prefix(',', EntityModel.EntityAttribute, AttributeType.S), .. Encoding.UTF8.GetBytes(model.Entity), .. "\"}"u8];
        entityBytes = EntityModel.EntityAttribute.Length + Encoding.UTF8.GetByteCount(model.Entity);
        attributePrefixes = [.. model.Attributes.Select(a => Prefix(',', a.Name, AttributeForms.TypeOf(a.Form)))];
        attributeNameBytes = [.. model.Attributes.Select(a => Encoding.UTF8.GetByteCount(a.Name))];
    }

    public EntityModel Model => model;

    /// <summary>Size of the last item as DynamoDB counts it: names and values. Numbers are counted at their largest.</summary>
    public int ItemBytes { get; private set; }

    /// <summary>Indexes that hold the last item.</summary>
    public int IndexCount { get; private set; }

    /// <summary>Appends the row's item to the batch; false, with the batch as it was, when the row cannot be an item.</summary>
    public bool TryEncode(RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        ItemBytes = entityBytes;
        IndexCount = 0;
        var start = batch.Pending;
        if (!TryWriteKey(0, row, batch, out refusal))
        {
            batch.DiscardItem();
            return false;
        }

        var keyLength = batch.Pending - start;
        batch.Append(entityJson);
        for (var i = 1; i < model.Keys.Length; i++)
        {
            if (!TryWriteKey(i, row, batch, out refusal))
            {
                batch.DiscardItem();
                return false;
            }
        }

        for (var i = 0; i < model.Attributes.Length; i++)
        {
            var attribute = model.Attributes[i];
            if (row.IsNull(attribute.RowIndex))
            {
                continue;
            }

            ItemBytes += attributeNameBytes[i];
            batch.Append(attributePrefixes[i]);
            if (WriteValue(attribute.Form, row[attribute.RowIndex], batch) is { } reason)
            {
                refusal = reason with { Reason = $"column {attribute.Column.Name}: {reason.Reason}" };
                batch.DiscardItem();
                return false;
            }

            batch.Append("\"}"u8);
        }

        if (ItemBytes > MaxItemBytes)
        {
            refusal = new RowRefusal("ItemTooLarge", $"its item has {ItemBytes:N0} bytes, over DynamoDB's limit of {MaxItemBytes:N0}; exclude a large column or set the row aside");
            batch.DiscardItem();
            return false;
        }

        batch.Append("}"u8);
        batch.CommitItem(keyLength);
        return true;
    }

    private bool TryWriteKey(int index, RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        refusal = default;
        var key = model.Keys[index];
        if (key.When is { } condition && !Holds(condition, row))
        {
            return true;
        }

        var partitionKey = FirstWithValue(key.PartitionKey, row);
        var sortKey = FirstWithValue(key.SortKey, row);
        if (partitionKey is null || sortKey is null)
        {
            if (index == 0)
            {
                refusal = new RowRefusal("KeyNull", $"a column of its key \"{(partitionKey is null ? key.PartitionKey : key.SortKey)[0].Template.Text}\" is NULL");
            }

            return index > 0;
        }

        IndexCount += index > 0 ? 1 : 0;
        return TryWriteKeyAttribute(key.PartitionKeyAttribute, keyPrefixes[2 * index], partitionKey, MaxPartitionKeyBytes, row, batch, out refusal)
            && TryWriteKeyAttribute(key.SortKeyAttribute, keyPrefixes[(2 * index) + 1], sortKey, MaxSortKeyBytes, row, batch, out refusal);
    }

    private bool TryWriteKeyAttribute(string name, byte[] prefix, BoundKeyTemplate template, int limit, RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        scratch.Clear();
        if (!template.TryRender(row, scratch, out refusal))
        {
            return false;
        }

        var value = scratch.Written;
        if (value.Length == 0 || value.Length > limit)
        {
            refusal = value.Length == 0
                ? new RowRefusal("KeyEmpty", $"its key attribute {name} would be empty, which DynamoDB refuses")
                : new RowRefusal("KeyTooLong", $"its key attribute {name} has {value.Length:N0} bytes, over DynamoDB's limit of {limit:N0}");
            return false;
        }

        if (!Utf8.IsValid(value))
        {
            refusal = InvalidText();
            return false;
        }

        ItemBytes += name.Length + value.Length;
        batch.Append(prefix);
        CanonicalJson.WriteEscaped(value, batch);
        batch.Append("\"}"u8);
        return true;
    }

    private static bool Holds(BoundCondition condition, RowBuffer row)
    {
        if (row.IsNull(condition.RowIndex))
        {
            return false;
        }

        foreach (var value in condition.In)
        {
            if (row[condition.RowIndex].SequenceEqual(value))
            {
                return true;
            }
        }

        return false;
    }

    private static BoundKeyTemplate? FirstWithValue(System.Collections.Immutable.ImmutableArray<BoundKeyTemplate> templates, RowBuffer row)
    {
        foreach (var template in templates)
        {
            if (template.HasValue(row))
            {
                return template;
            }
        }

        return null;
    }

    private RowRefusal? WriteValue(AttributeForm form, ReadOnlySpan<byte> value, ItemBatch batch)
    {
        int length;
        switch (form)
        {
            case AttributeForm.Text:
                if (!Utf8.IsValid(value))
                {
                    return InvalidText();
                }

                ItemBytes += value.Length;
                CanonicalJson.WriteEscaped(value, batch);
                return null;
            case AttributeForm.Binary:
                ItemBytes += value.Length;
                Base64.EncodeToUtf8(value, batch.GetSpan(Base64.GetMaxEncodedToUtf8Length(value.Length)), out _, out length);
                batch.Advance(length);
                return null;
            case AttributeForm.Time:
            case AttributeForm.NumberText:
                ItemBytes += value.Length;
                batch.Append(value);
                return null;
            case AttributeForm.SingleText:
            case AttributeForm.DoubleText:
                if (CanonicalValue.WriteFloatText(form, value, number, out length) is { } unreadable)
                {
                    return unreadable;
                }

                ItemBytes += length;
                batch.Append(number.AsSpan(0, length));
                return null;
            default:
                if (CanonicalValue.Write(form, value, number, out length) is { } refused)
                {
                    return refused;
                }

                // A number takes a byte for two digits and one more; 21 is the most.
                ItemBytes += AttributeForms.TypeOf(form) == AttributeType.N ? Math.Min(21, (length / 2) + 2) : length;
                batch.Append(number.AsSpan(0, length));
                return null;
        }
    }

    private static RowRefusal InvalidText() => new("TextInvalid", "it has a text that is not valid UTF-8");

    private static byte[] Prefix(char before, string name, AttributeType type)
    {
        var buffer = new ItemBatch();
        buffer.Append([(byte)before, (byte)'"']);
        CanonicalJson.WriteEscaped(Encoding.UTF8.GetBytes(name), buffer);
        buffer.Append(Encoding.ASCII.GetBytes($"\":{{\"{type}\":\""));
        return buffer.PendingBytes.ToArray();
    }
}

/// <summary>JSON string text as the canonical form has it: only what must be escaped is.</summary>
internal static class CanonicalJson
{
    private static readonly SearchValues<byte> MustEscape = SearchValues.Create([.. Enumerable.Range(0, 32).Select(i => (byte)i), (byte)'"', (byte)'\\']);

    public static void WriteEscaped(ReadOnlySpan<byte> utf8, ItemBatch into)
    {
        while (utf8.IndexOfAny(MustEscape) is >= 0 and var at)
        {
            into.Append(utf8[..at]);
            var c = utf8[at];
            switch (c)
            {
                case (byte)'"': into.Append("\\\""u8); break;
                case (byte)'\\': into.Append("\\\\"u8); break;
                case (byte)'\n': into.Append("\\n"u8); break;
                case (byte)'\r': into.Append("\\r"u8); break;
                case (byte)'\t': into.Append("\\t"u8); break;
                default: into.Append([(byte)'\\', (byte)'u', (byte)'0', (byte)'0', Hex(c >> 4), Hex(c & 15)]); break;
            }

            utf8 = utf8[(at + 1)..];
        }

        into.Append(utf8);
    }

    private static byte Hex(int digit) => (byte)(digit < 10 ? '0' + digit : 'a' + digit - 10);
}
