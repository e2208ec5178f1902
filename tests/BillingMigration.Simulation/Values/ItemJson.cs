using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>Reads and writes items in DynamoDB JSON.</summary>
internal static class ItemJson
{
    private const int MaxDepth = 32;
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static Item ReadItem(JsonElement element) => new(ReadMembers(element, 0));

    public static ItemValue ReadValue(JsonElement element) => ReadValue(element, 0);

    public static void Write(Utf8JsonWriter json, Item item) => WriteMembers(json, item.Attributes);

    public static Utf8JsonWriter Writer(IBufferWriter<byte> buffer) => new(buffer, Plain);

    public static string Text(Item item) => Text(json => Write(json, item));

    public static string Text(ItemValue value) => Text(json => WriteValue(json, value));

    public static void WriteValue(Utf8JsonWriter json, ItemValue value)
    {
        json.WriteStartObject();
        switch (value.Kind)
        {
            case ItemValueKind.S: json.WriteString("S"u8, value.Text); break;
            case ItemValueKind.N: json.WriteString("N"u8, value.Text); break;
            case ItemValueKind.B: json.WriteBase64String("B"u8, value.Bytes.Span); break;
            case ItemValueKind.BOOL: json.WriteBoolean("BOOL"u8, value.Flag); break;
            case ItemValueKind.NULL: json.WriteBoolean("NULL"u8, true); break;
            case ItemValueKind.M:
                json.WritePropertyName("M"u8);
                WriteMembers(json, value.Members);
                break;
            default: WriteElements(json, value); break;
        }

        json.WriteEndObject();
    }

    private static void WriteMembers(Utf8JsonWriter json, IReadOnlyDictionary<string, ItemValue> members)
    {
        json.WriteStartObject();
        foreach (var (name, value) in members)
        {
            json.WritePropertyName(name);
            WriteValue(json, value);
        }

        json.WriteEndObject();
    }

    private static void WriteElements(Utf8JsonWriter json, ItemValue value)
    {
        json.WriteStartArray(value.Kind switch { ItemValueKind.L => "L"u8, ItemValueKind.SS => "SS"u8, ItemValueKind.NS => "NS"u8, _ => "BS"u8 });
        foreach (var element in value.Elements)
        {
            switch (value.Kind)
            {
                case ItemValueKind.L: WriteValue(json, element); break;
                case ItemValueKind.BS: json.WriteBase64StringValue(element.Bytes.Span); break;
                default: json.WriteStringValue(element.Text); break;
            }
        }

        json.WriteEndArray();
    }

    private static string Text(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = Writer(buffer))
        {
            write(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static Dictionary<string, ItemValue> ReadMembers(JsonElement element, int depth)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ServiceError("SerializationException", "A map of attribute values was expected.");
        }

        var members = new Dictionary<string, ItemValue>(StringComparer.Ordinal);
        foreach (var member in element.EnumerateObject())
        {
            members[member.Name] = ReadValue(member.Value, depth);
        }

        return members;
    }

    private static ItemValue ReadValue(JsonElement element, int depth)
    {
        if (depth > MaxDepth)
        {
            throw ServiceError.Invalid("Nesting Levels have exceeded supported limits");
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ServiceError("SerializationException", "An attribute value was expected.");
        }

        ItemValue? value = null;
        foreach (var member in element.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            value = value is null ? ReadTyped(member, depth) : throw ServiceError.Invalid("Supplied AttributeValue has more than one datatypes set");
        }

        return value ?? throw ServiceError.Invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
    }

    private static ItemValue ReadTyped(JsonProperty member, int depth)
    {
        try
        {
            var value = member.Value;
            return member.Name switch
            {
                "S" => ItemValue.OfString(value.GetString()!),
                "N" => ItemValue.OfNumber(value.GetString()!),
                "B" => ItemValue.OfBinary(value.GetBytesFromBase64()),
                "BOOL" => ItemValue.OfBool(value.GetBoolean()),
                "NULL" => value.GetBoolean() ? ItemValue.Null : throw ServiceError.Invalid("Null attribute value types must have the value of true"),
                "M" => ItemValue.OfMap(ReadMembers(value, depth + 1)),
                "L" => ItemValue.OfList(value.EnumerateArray().Select(e => ReadValue(e, depth + 1)).ToArray()),
                "SS" => ReadSet(ItemValueKind.SS, value, e => ItemValue.OfString(e.RequiredText())),
                "NS" => ReadSet(ItemValueKind.NS, value, e => ItemValue.OfNumber(e.RequiredText())),
                "BS" => ReadSet(ItemValueKind.BS, value, e => ItemValue.OfBinary(e.GetBytesFromBase64())),
                _ => throw ServiceError.Invalid($"Supplied AttributeValue has the unknown datatype {member.Name}"),
            };
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException)
        {
            throw new ServiceError("SerializationException", $"The value of {member.Name} has another JSON type than its datatype needs.");
        }
    }

    private static ItemValue ReadSet(ItemValueKind kind, JsonElement array, Func<JsonElement, ItemValue> read)
    {
        var set = ItemValue.OfSet(kind, array.EnumerateArray().Select(read));
        return set.Elements.Count == 0 ? throw ServiceError.Invalid("One or more parameter values were invalid: a set may not be empty")
            : set.Elements.Count == array.GetArrayLength() ? set : throw ServiceError.Invalid("Input collection contains duplicates.");
    }
}
