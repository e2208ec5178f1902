using System.Text.Json;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Integrity;

/// <summary>An item in DynamoDB JSON as the SDK's values, for the few that are written one by one.</summary>
internal static class ItemImage
{
    public static Dictionary<string, AttributeValue> Parse(ReadOnlyMemory<byte> item)
    {
        using var json = JsonDocument.Parse(item);
        return Map(json.RootElement);
    }

    /// <summary>The item in DynamoDB JSON.</summary>
    public static byte[] Json(Dictionary<string, AttributeValue> item)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            Write(json, item);
        }

        return buffer.ToArray();
    }

    private static void Write(Utf8JsonWriter json, Dictionary<string, AttributeValue> map)
    {
        json.WriteStartObject();
        foreach (var (name, value) in map)
        {
            json.WritePropertyName(name);
            Write(json, value);
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, AttributeValue value)
    {
        json.WriteStartObject();
        if (value.S is { } text)
        {
            json.WriteString("S"u8, text);
        }
        else if (value.N is { } number)
        {
            json.WriteString("N"u8, number);
        }
        else if (value.B is { } bytes)
        {
            json.WriteBase64String("B"u8, bytes.ToArray());
        }
        else if (value.IsBOOLSet)
        {
            json.WriteBoolean("BOOL"u8, value.BOOL!.Value);
        }
        else if (value.NULL is true)
        {
            json.WriteBoolean("NULL"u8, true);
        }
        else if (value.IsMSet)
        {
            json.WritePropertyName("M"u8);
            Write(json, value.M);
        }
        else if (value.IsLSet)
        {
            json.WriteStartArray("L"u8);
            value.L.ForEach(v => Write(json, v));
            json.WriteEndArray();
        }
        else
        {
            var (name, texts) = value.SS is { Count: > 0 } set ? ("SS", set)
                : value.NS is { Count: > 0 } numbers ? ("NS", numbers)
                : ("BS", [.. value.BS.Select(b => Convert.ToBase64String(b.ToArray()))]);
            json.WriteStartArray(name);
            texts.ForEach(json.WriteStringValue);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>A condition that holds only while the item is exactly this one; and none of <paramref name="absent"/> is in it.</summary>
    public static (string Expression, Dictionary<string, string>? Names, Dictionary<string, AttributeValue>? Values) IsStill(
        Dictionary<string, AttributeValue>? item, IEnumerable<string> absent)
    {
        if (item is null)
        {
            return ("attribute_not_exists(pk)", null, null);
        }

        var names = new Dictionary<string, string>();
        var values = new Dictionary<string, AttributeValue>();
        var terms = new List<string>();
        foreach (var (name, value) in item)
        {
            terms.Add($"#{names.Count}=:{names.Count}");
            values.Add($":{names.Count}", value);
            names.Add($"#{names.Count}", name);
        }

        foreach (var name in absent.Where(n => !item.ContainsKey(n)))
        {
            terms.Add($"attribute_not_exists(#{names.Count})");
            names.Add($"#{names.Count}", name);
        }

        return (string.Join(" AND ", terms), names, values);
    }

    private static Dictionary<string, AttributeValue> Map(JsonElement json) => json.EnumerateObject().ToDictionary(a => a.Name, a => Value(a.Value));

    private static AttributeValue Value(JsonElement json)
    {
        var typed = json.EnumerateObject().Single();
        var value = typed.Value;
        return typed.Name switch
        {
            "S" => new AttributeValue { S = value.GetString() },
            "N" => new AttributeValue { N = value.GetString() },
            "B" => new AttributeValue { B = Bytes(value) },
            "BOOL" => new AttributeValue { BOOL = value.GetBoolean() },
            "NULL" => new AttributeValue { NULL = true },
            "M" => new AttributeValue { M = Map(value), IsMSet = true },
            "L" => new AttributeValue { L = [.. value.EnumerateArray().Select(Value)], IsLSet = true },
            "SS" => new AttributeValue { SS = [.. value.EnumerateArray().Select(v => v.GetString()!)] },
            "NS" => new AttributeValue { NS = [.. value.EnumerateArray().Select(v => v.GetString()!)] },
            "BS" => new AttributeValue { BS = [.. value.EnumerateArray().Select(Bytes)] },
            _ => throw new JsonException($"an attribute has the unknown type {typed.Name}"),
        };
    }

    private static MemoryStream Bytes(JsonElement value) => new(value.GetBytesFromBase64());
}
