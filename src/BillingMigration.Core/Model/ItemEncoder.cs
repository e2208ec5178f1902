using System.Buffers;
using System.Buffers.Text;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
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
    private readonly KeyWriter[] keys;
    private readonly Rendered[] rendered;
    private readonly byte[] entityJson;
    private readonly byte[][] attributePrefixes;
    private readonly int[] attributeNameBytes;
    private readonly int entityBytes;
    private readonly CellEncryption? encryption;

    public ItemEncoder(EntityModel model)
    {
        this.model = model;
        var texts = model.Keys.SelectMany(k => k.PartitionKey.Concat(k.SortKey)).Select(t => t.Template.Text).Distinct().ToList();
        rendered = new Rendered[texts.Count];
        KeyWriter Writer(bool first, string name, ImmutableArray<BoundKeyTemplate> templates, int limit) =>
            new(name, Prefix(first, name, AttributeType.S), templates, [.. templates.Select(t => texts.IndexOf(t.Template.Text))], limit);
        keys = [.. model.Keys.SelectMany((k, i) => new[]
        {
            Writer(i == 0, k.PartitionKeyAttribute, k.PartitionKey, MaxPartitionKeyBytes), Writer(false, k.SortKeyAttribute, k.SortKey, MaxSortKeyBytes),
        })];
        entityJson = [.. Prefix(false, EntityModel.EntityAttribute, AttributeType.S), .. Encoding.UTF8.GetBytes(model.Entity)];
        entityBytes = EntityModel.EntityAttribute.Length + Encoding.UTF8.GetByteCount(model.Entity);
        attributePrefixes = [.. model.Attributes.Select(a => Prefix(false, a.Name, a.Type))];
        encryption = CellEncryption.Of(model);
        attributeNameBytes = [.. model.Attributes.Select(a => Encoding.UTF8.GetByteCount(a.Name))];
    }

    /// <param name="Prefix">Text of the item between the value before and this one.</param>
    /// <param name="Slots">Of each template, its place in <see cref="rendered"/>: equal templates share one.</param>
    private sealed record KeyWriter(
        string Name, byte[] Prefix, ImmutableArray<BoundKeyTemplate> Templates, int[] Slots, int Limit);

    /// <summary>A key value of the item under way: what the same template gives to another key attribute is copied.</summary>
    /// <param name="ValueLength">Bytes before escaping; 0 while not rendered.</param>
    private readonly record struct Rendered(int Start, int Length, int ValueLength);

    public EntityModel Model => model;

    /// <summary>Size of the last item as DynamoDB counts it: names and values. Numbers are counted at their largest.</summary>
    public int ItemBytes { get; private set; }

    /// <summary>Indexes that hold the last item.</summary>
    public int IndexCount { get; private set; }

    /// <summary>Appends the row's item to the batch; false, with the batch as it was, when the row cannot be an item.</summary>
    [MethodImpl(HotPath.Optimized)]
    public bool TryEncode(RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        ItemBytes = entityBytes;
        IndexCount = 0;
        Array.Clear(rendered);
        encryption?.Begin();
        var start = batch.Pending;
        if (!TryWriteKey(0, row, batch, out refusal))
        {
            batch.DiscardItem();
            return false;
        }

        // Each value is closed by the prefix of what follows it.
        var keyLength = batch.Pending - start + "\"}"u8.Length;
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
            if (attribute.Encrypted)
            {
                if (WriteEncrypted(i, row, batch) is { } unwritable)
                {
                    refusal = unwritable with { Reason = $"column {attribute.Column.Name}: {unwritable.Reason}" };
                    batch.DiscardItem();
                    return false;
                }

                continue;
            }

            if (WriteValue(attribute.Form, row[attribute.RowIndex], batch) is { } reason)
            {
                refusal = reason with { Reason = $"column {attribute.Column.Name}: {reason.Reason}" };
                batch.DiscardItem();
                return false;
            }
        }

        if (ItemBytes > MaxItemBytes)
        {
            refusal = new RowRefusal("ItemTooLarge", $"its item has {ItemBytes:N0} bytes, over DynamoDB's limit of {MaxItemBytes:N0}; exclude a large column or set the row aside");
            batch.DiscardItem();
            return false;
        }

        batch.Append("\"}}"u8);
        batch.CommitItem(keyLength);
        return true;
    }

    /// <summary>Appends a delete of the row's item to the batch; false, with the batch as it was, when the row has no key and so never was an item.</summary>
    [MethodImpl(HotPath.Optimized)]
    public bool TryEncodeDelete(RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        ItemBytes = 0;
        IndexCount = 0;
        Array.Clear(rendered);
        if (!TryWriteKey(0, row, batch, out refusal))
        {
            batch.DiscardItem();
            return false;
        }

        batch.Append("\"}}"u8);
        batch.CommitDelete();
        return true;
    }

    [MethodImpl(HotPath.Optimized)]
    private bool TryWriteKey(int index, RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        refusal = default;
        var key = model.Keys[index];
        if (key.When is { } condition && !Holds(condition, row))
        {
            return true;
        }

        var partitionKey = keys[2 * index];
        var sortKey = keys[(2 * index) + 1];
        var first = FirstWithValue(partitionKey.Templates, row);
        var second = FirstWithValue(sortKey.Templates, row);
        foreach (var column in index == 0 ? model.ExactTexts : [])
        {
            if (RawText.Is(row[column]))
            {
                refusal = new RowRefusal(
                    "KeyNotInUnicode",
                    $"a text of its key, in column {model.Row[column].Column.Name}, has bytes of {model.Row[column].Column.CharacterSet} that Unicode has as another text's: as an item it would take another row's place");
                return false;
            }
        }

        if (first < 0 || second < 0)
        {
            if (index == 0)
            {
                refusal = new RowRefusal("KeyNull", $"a column of its key \"{(first < 0 ? partitionKey : sortKey).Templates[0].Template.Text}\" is NULL");
            }

            return index > 0;
        }

        IndexCount += index > 0 ? 1 : 0;
        return TryWriteKeyAttribute(partitionKey, first, row, batch, out refusal) && TryWriteKeyAttribute(sortKey, second, row, batch, out refusal);
    }

    [MethodImpl(HotPath.Optimized)]
    private bool TryWriteKeyAttribute(KeyWriter key, int template, RowBuffer row, ItemBatch batch, out RowRefusal refusal)
    {
        batch.Append(key.Prefix);
        ref var known = ref rendered[key.Slots[template]];
        if (known.ValueLength > 0 && known.ValueLength <= key.Limit)
        {
            refusal = default;
            ItemBytes += key.Name.Length + known.ValueLength;
            batch.AppendAgain(known.Start, known.Length);
            return true;
        }

        scratch.Clear();
        if (!key.Templates[template].TryRender(row, scratch, out refusal))
        {
            return false;
        }

        var value = scratch.Written;
        if (value.Length == 0 || value.Length > key.Limit)
        {
            refusal = value.Length == 0
                ? new RowRefusal("KeyEmpty", $"its key attribute {key.Name} would be empty, which DynamoDB refuses")
                : new RowRefusal("KeyTooLong", $"its key attribute {key.Name} has {value.Length:N0} bytes, over DynamoDB's limit of {key.Limit:N0}");
            return false;
        }

        if (!Utf8.IsValid(value))
        {
            refusal = CanonicalValue.InvalidText();
            return false;
        }

        ItemBytes += key.Name.Length + value.Length;
        var start = batch.PendingBytes.Length;
        CanonicalJson.WriteEscaped(value, batch);
        known = new Rendered(start, batch.PendingBytes.Length - start, value.Length);
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

    /// <returns>Index of the first template whose columns are all NOT NULL, or -1.</returns>
    [MethodImpl(HotPath.Optimized)]
    private static int FirstWithValue(ImmutableArray<BoundKeyTemplate> templates, RowBuffer row)
    {
        for (var i = 0; i < templates.Length; i++)
        {
            if (templates[i].HasValue(row))
            {
                return i;
            }
        }

        return -1;
    }

    [MethodImpl(HotPath.Optimized)]
    private RowRefusal? WriteValue(AttributeForm form, ReadOnlySpan<byte> value, ItemBatch batch)
    {
        int length;
        switch (form)
        {
            case AttributeForm.Text:
                if (!Utf8.IsValid(value))
                {
                    return CanonicalValue.InvalidText();
                }

                ItemBytes += value.Length;
                CanonicalJson.WriteEscaped(value, batch);
                return null;
            case AttributeForm.Binary:
                WriteBinary(value, batch);
                return null;
            case AttributeForm.Time:
            case AttributeForm.NumberText:
                ItemBytes += value.Length;
                batch.Append(value);
                return null;
            case AttributeForm.SingleText:
            case AttributeForm.DoubleText:
                if (CanonicalValue.WriteFloatText(form, value, batch.GetSpan(CanonicalNumber.MaxLength), out length) is { } unreadable)
                {
                    return unreadable;
                }

                ItemBytes += length;
                batch.Advance(length);
                return null;
            default:
                if (CanonicalValue.Write(form, value, batch.GetSpan(CanonicalNumber.MaxLength), out length) is { } refused)
                {
                    return refused;
                }

                // A number takes a byte for two digits and one more; 21 is the most.
                ItemBytes += AttributeForms.TypeOf(form) == AttributeType.N ? Math.Min(21, (length / 2) + 2) : length;
                batch.Advance(length);
                return null;
        }
    }

    private RowRefusal? WriteEncrypted(int attribute, RowBuffer row, ItemBatch batch)
    {
        var value = row[model.Attributes[attribute].RowIndex];
        Span<byte> canonical = stackalloc byte[CanonicalNumber.MaxLength];
        if (CanonicalValue.Of(model.Attributes[attribute].Form, value, canonical, out var length) is { } refusal)
        {
            return refusal;
        }

        WriteBinary(encryption!.Encrypt(attribute, row, length < 0 ? value : canonical[..length]), batch);
        return null;
    }

    [MethodImpl(HotPath.Optimized)]
    private void WriteBinary(ReadOnlySpan<byte> value, ItemBatch batch)
    {
        ItemBytes += value.Length;
        Base64.EncodeToUtf8(value, batch.GetSpan(Base64.GetMaxEncodedToUtf8Length(value.Length)), out _, out var length);
        batch.Advance(length);
    }

    /// <summary>What stands before a value: the end of the value before it, if any, name and type.</summary>
    private static byte[] Prefix(bool first, string name, AttributeType type)
    {
        using var buffer = new ItemBatch();
        buffer.Append(first ? "{\""u8 : "\"},\""u8);
        CanonicalJson.WriteEscaped(Encoding.UTF8.GetBytes(name), buffer);
        buffer.Append(Encoding.ASCII.GetBytes($"\":{{\"{type}\":\""));
        return buffer.PendingBytes.ToArray();
    }
}

/// <summary>JSON string text as the canonical form has it: only what must be escaped is.</summary>
internal static class CanonicalJson
{
    private static readonly SearchValues<byte> MustEscape = SearchValues.Create([.. Enumerable.Range(0, 32).Select(i => (byte)i), (byte)'"', (byte)'\\']);

    [MethodImpl(HotPath.Optimized)]
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
