using System.Buffers;
using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace BillingMigration.Model;

/// <summary>
/// An item as DynamoDB returns it, brought to the very bytes that <see cref="ItemEncoder"/> makes of its row: attributes in model order, numbers in
/// their one text, strings escaped in one way, encrypted values under the key that the encoder uses. What the model does not know, or knows with another type, is kept, so that the bytes differ. Not thread-safe.
/// </summary>
public sealed class ItemCanonicalizer
{
    /// <summary>Bytes from the quote behind a name to the value: <c>":{"S":"</c>.</summary>
    private const int Between = 8;

    private readonly ItemShape[] shapes;
    private Field[] fields = new Field[64];
    private int[] slots = new int[64];
    private byte[] scratch = new byte[1024];
    private int count;

    /// <param name="models">Entities, in the order of the numbers that <see cref="Append"/> returns.</param>
    public ItemCanonicalizer(IReadOnlyList<EntityModel> models) => shapes = [.. models.Select(m => new ItemShape(m))];

    /// <summary>Where an attribute's name, type and value stand in the JSON; values are what is between the quotes.</summary>
    private struct Field
    {
        public int NameStart;
        public int NameLength;
        public byte Type;
        public int ValueStart;
        public int ValueLength;
        public bool Escaped;
        public bool IsText;
    }

    /// <summary>Appends the item's canonical form to the batch, which must have room for it.</summary>
    /// <param name="item">One JSON object, attributes in any order.</param>
    /// <returns>Number of the item's entity, or -1 when it names none of the models: then its attributes stand in the order they came in.</returns>
    /// <exception cref="JsonException">It is no item in DynamoDB JSON.</exception>
    [MethodImpl(HotPath.Optimized)]
    public int Append(ReadOnlySpan<byte> item, ItemBatch batch)
    {
        Read(item);
        var entity = FindEntity(item);
        if (entity < 0)
        {
            AppendUnknown(item, batch);
            return -1;
        }

        var shape = shapes[entity];
        var start = batch.Pending;
        var known = Assign(shape, item);
        var keyLength = 0;
        var open = false;
        for (var i = 0; i < shape.Slots.Length; i++)
        {
            if (slots[i] >= 0)
            {
                if (shape.Slots[i].Encrypted < 0 || !TryAppendRenewed(item, fields[slots[i]], shape, shape.Slots[i], open, batch))
                {
                    AppendField(item, fields[slots[i]], shape.Slots[i], open, batch);
                }

                open = true;
            }

            keyLength = i == 1 ? batch.Pending - start : keyLength;
        }

        if (known < count)
        {
            AppendStrange(item, slots.AsSpan(0, shape.Slots.Length), open, batch);
        }

        batch.Append("}"u8);
        batch.CommitItem(keyLength);
        return entity;
    }

    [MethodImpl(HotPath.Optimized)]
    private void Read(ReadOnlySpan<byte> item)
    {
        if (TryReadCompact(item))
        {
            return;
        }

        count = 0;
        var json = new Utf8JsonReader(item);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("an item is no object");
        }

        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            Add(default);
            ref var field = ref fields[count - 1];
            field.NameStart = (int)json.TokenStartIndex + 1;
            field.NameLength = json.ValueSpan.Length;
            field.Escaped = json.ValueIsEscaped;
            json.Read();
            json.Read();
            field.Type = json.ValueSpan.Length == 1 ? json.ValueSpan[0] : (byte)'?';
            json.Read();
            field.ValueStart = (int)json.TokenStartIndex;
            field.IsText = json.TokenType == JsonTokenType.String;
            if (field.IsText)
            {
                field.ValueStart++;
                field.ValueLength = json.ValueSpan.Length;
                field.Escaped |= json.ValueIsEscaped;
            }
            else
            {
                json.Skip();
                field.ValueLength = (int)json.BytesConsumed - field.ValueStart;
            }

            json.Read();
        }
    }

    /// <summary>
    /// Items as DynamoDB sends them, without a blank, and of texts, numbers and binaries only: several times as fast as a reader that knows all of JSON.
    /// </summary>
    /// <returns>False for anything else.</returns>
    [MethodImpl(HotPath.Optimized)]
    private bool TryReadCompact(ReadOnlySpan<byte> item)
    {
        count = 0;
        if (item.Length < 2 || item[0] != (byte)'{')
        {
            return false;
        }

        for (var at = 1; ;)
        {
            if (at >= item.Length || item[at] != (byte)'"')
            {
                return false;
            }

            var nameStart = at + 1;
            var nameLength = item[nameStart..].IndexOfAny((byte)'"', (byte)'\\');
            at = nameStart + nameLength;
            if (nameLength < 0 || item.Length - at < Between + 2 || item[at] != (byte)'"' || !item.Slice(at + 1, 3).SequenceEqual(":{\""u8)
                || !item.Slice(at + 5, 3).SequenceEqual("\":\""u8))
            {
                return false;
            }

            var type = item[at + 4];
            var valueStart = at + Between;
            var escaped = false;
            for (at = valueStart; ;)
            {
                var next = item[at..].IndexOfAny((byte)'"', (byte)'\\');
                at += next;
                if (next < 0 || item.Length - at < 3)
                {
                    return false;
                }

                if (item[at] == (byte)'"')
                {
                    break;
                }

                escaped = true;
                at += 2;
            }

            Add(new Field
            {
                NameStart = nameStart, NameLength = nameLength, Type = type, ValueStart = valueStart, ValueLength = at - valueStart, Escaped = escaped, IsText = true,
            });
            if (item[at + 1] != (byte)'}')
            {
                return false;
            }

            at += 2;
            if (item[at] == (byte)'}')
            {
                return at == item.Length - 1;
            }

            if (item[at++] != (byte)',')
            {
                return false;
            }
        }
    }

    private void Add(in Field field)
    {
        if (count == fields.Length)
        {
            Array.Resize(ref fields, count * 2);
        }

        fields[count++] = field;
    }

    private int FindEntity(ReadOnlySpan<byte> item)
    {
        for (var i = 0; i < count; i++)
        {
            ref var field = ref fields[i];
            if (field.Type == (byte)'S' && item.Slice(field.NameStart, field.NameLength).SequenceEqual("entity"u8))
            {
                var raw = item.Slice(field.ValueStart, field.ValueLength);
                var name = field.Escaped && raw.Contains((byte)'\\') ? Unescape(raw) : raw;
                for (var e = 0; e < shapes.Length; e++)
                {
                    if (name.SequenceEqual(shapes[e].Name))
                    {
                        return e;
                    }
                }
            }
        }

        return -1;
    }

    /// <summary>Fills <see cref="slots"/> with the number of the field for each attribute of the model, -1 where there is none.</summary>
    /// <returns>Fields that the model knows.</returns>
    [MethodImpl(HotPath.Optimized)]
    private int Assign(ItemShape shape, ReadOnlySpan<byte> item)
    {
        if (slots.Length < shape.Slots.Length)
        {
            slots = new int[shape.Slots.Length];
        }

        slots.AsSpan(0, shape.Slots.Length).Fill(-1);
        var known = 0;
        for (var i = 0; i < count; i++)
        {
            ref var field = ref fields[i];
            var name = item.Slice(field.NameStart, field.NameLength);
            var slot = shape.FindAt(i, field.Escaped && name.Contains((byte)'\\') ? Unescape(name) : name);
            if (slot >= 0 && slots[slot] < 0)
            {
                slots[slot] = i;
                known++;
            }
        }

        return known;
    }

    [MethodImpl(HotPath.Optimized)]
    private void AppendField(ReadOnlySpan<byte> item, in Field field, ItemSlot slot, bool open, ItemBatch batch)
    {
        var value = item.Slice(field.ValueStart, field.ValueLength);
        if (field.Type != slot.Type || !field.IsText)
        {
            AppendOther(slot.JsonName, field, value, open, batch);
            return;
        }

        batch.Append(open ? slot.Prefix : slot.FirstPrefix);
        AppendValue(field, value, batch);
        batch.Append("\"}"u8);
    }

    /// <summary>A value that was encrypted with another of the migration's keys stands for the same as one under the encoder's key.</summary>
    /// <returns>False: it is under that key, or not readable; it stays as it is.</returns>
    private bool TryAppendRenewed(ReadOnlySpan<byte> item, in Field field, ItemShape shape, ItemSlot slot, bool open, ItemBatch batch)
    {
        var value = item.Slice(field.ValueStart, field.ValueLength);
        if (shape.Encryption is not { } encryption || field.Type != slot.Type || !field.IsText || !encryption.IsUnderOtherKey(value) || slots[0] < 0 || slots[1] < 0)
        {
            return false;
        }

        var stored = new byte[Base64.GetMaxDecodedFromUtf8Length(value.Length)];
        if (Base64.DecodeFromUtf8(Plain(item, field), stored, out _, out var length) != OperationStatus.Done)
        {
            return false;
        }

        var pk = Plain(item, fields[slots[0]]).ToArray();
        encryption.Begin(pk, Plain(item, fields[slots[1]]));
        if (encryption.TryRenew(slot.Encrypted, stored.AsSpan(0, length)) is not { } renewed)
        {
            return false;
        }

        batch.Append(open ? slot.Prefix : slot.FirstPrefix);
        Base64.EncodeToUtf8(renewed, batch.GetSpan(Base64.GetMaxEncodedToUtf8Length(renewed.Length)), out _, out var written);
        batch.Advance(written);
        batch.Append("\"}"u8);
        return true;
    }

    private ReadOnlySpan<byte> Plain(ReadOnlySpan<byte> item, in Field field)
    {
        var value = item.Slice(field.ValueStart, field.ValueLength);
        return field.Escaped && value.Contains((byte)'\\') ? Unescape(value) : value;
    }

    [MethodImpl(HotPath.Optimized)]
    private void AppendValue(in Field field, ReadOnlySpan<byte> value, ItemBatch batch)
    {
        if (field.Escaped && value.Contains((byte)'\\'))
        {
            CanonicalJson.WriteEscaped(Unescape(value), batch);
        }
        else if (field.Type == (byte)'N' && !IsPlainInteger(value) && CanonicalNumber.Normalize(value, batch.GetSpan(CanonicalNumber.MaxLength), out var length) == CanonicalNumber.Verdict.Ok)
        {
            batch.Advance(length);
        }
        else
        {
            batch.Append(value);
        }
    }

    /// <summary>Digits that are their own canonical text.</summary>
    private static bool IsPlainInteger(ReadOnlySpan<byte> number) =>
        number.Length is > 0 and <= AttributeForms.MaxNumberDigits && number[0] != (byte)'0' && number.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0;

    /// <summary>An attribute of a type that the model does not give it: as it is.</summary>
    private static void AppendOther(ReadOnlySpan<byte> jsonName, in Field field, ReadOnlySpan<byte> value, bool open, ItemBatch batch)
    {
        batch.Append(open ? ",\""u8 : "{\""u8);
        batch.Append(jsonName);
        batch.Append("\":{\""u8);
        batch.Append([field.Type]);
        batch.Append(field.IsText ? "\":\""u8 : "\":"u8);
        batch.Append(value);
        batch.Append(field.IsText ? "\"}"u8 : "}"u8);
    }

    /// <summary>Attributes that the model does not know, behind those that it does, in the order of their names.</summary>
    private void AppendStrange(ReadOnlySpan<byte> item, ReadOnlySpan<int> assigned, bool open, ItemBatch batch)
    {
        var strange = new List<(string Name, Field Field)>();
        for (var i = 0; i < count; i++)
        {
            if (!assigned.Contains(i))
            {
                strange.Add((Encoding.UTF8.GetString(item.Slice(fields[i].NameStart, fields[i].NameLength)), fields[i]));
            }
        }

        foreach (var (name, field) in strange.OrderBy(s => s.Name, StringComparer.Ordinal))
        {
            AppendOther(Encoding.UTF8.GetBytes(name), field, item.Slice(field.ValueStart, field.ValueLength), open, batch);
            open = true;
        }
    }

    /// <summary>An item of no entity: its key, then the rest as it came.</summary>
    private void AppendUnknown(ReadOnlySpan<byte> item, ItemBatch batch)
    {
        var start = batch.Pending;
        var keyLength = 0;
        var open = false;
        ReadOnlySpan<string> names = [EntityModel.PartitionKey, EntityModel.SortKey, ""];
        foreach (var wanted in names)
        {
            for (var i = 0; i < count; i++)
            {
                var name = Encoding.UTF8.GetString(item.Slice(fields[i].NameStart, fields[i].NameLength));
                if (wanted.Length == 0 ? name is not (EntityModel.PartitionKey or EntityModel.SortKey) : name == wanted)
                {
                    batch.Append(open ? ",\""u8 : "{\""u8);
                    batch.Append(item.Slice(fields[i].NameStart, fields[i].NameLength));
                    batch.Append("\":{\""u8);
                    batch.Append([fields[i].Type]);
                    batch.Append(fields[i].IsText ? "\":\""u8 : "\":"u8);
                    AppendValue(fields[i], item.Slice(fields[i].ValueStart, fields[i].ValueLength), batch);
                    batch.Append(fields[i].IsText ? "\"}"u8 : "}"u8);
                    open = true;
                }
            }

            keyLength = wanted.Length > 0 ? batch.Pending - start : keyLength;
        }

        batch.Append("}"u8);
        batch.CommitItem(keyLength);
    }

    private ReadOnlySpan<byte> Unescape(ReadOnlySpan<byte> escaped)
    {
        if (scratch.Length < escaped.Length + 2)
        {
            scratch = new byte[escaped.Length * 2];
        }

        var quoted = ArrayPool<byte>.Shared.Rent(escaped.Length + 2);
        try
        {
            quoted[0] = quoted[escaped.Length + 1] = (byte)'"';
            escaped.CopyTo(quoted.AsSpan(1));
            var json = new Utf8JsonReader(quoted.AsSpan(0, escaped.Length + 2));
            json.Read();
            return scratch.AsSpan(0, json.CopyString(scratch));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(quoted);
        }
    }
}
