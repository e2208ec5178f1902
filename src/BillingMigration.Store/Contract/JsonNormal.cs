using System.Globalization;
using System.Text;
using System.Text.Json;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Store;

/// <summary>
/// JSON as MySQL stores and prints it: keys by length, then by their bytes, the last of equal ones; numbers as integers of 64 bits or as DOUBLE
/// (https://dev.mysql.com/doc/refman/9.7/en/json.html#json-normalization). MariaDB keeps the text as it is.
/// </summary>
internal static class JsonNormal
{
    /// <exception cref="FormatException">It is no JSON.</exception>
    public static string Of(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var text = new JsonText();
            Write(document.RootElement, text);
            return Encoding.UTF8.GetString(text.Written);
        }
        catch (JsonException e)
        {
            throw new FormatException($"it is no JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine})");
        }
    }

    private static void Write(JsonElement value, JsonText text)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(value, text);
                break;
            case JsonValueKind.Array:
                text.Raw((byte)'[');
                var first = true;
                foreach (var element in value.EnumerateArray())
                {
                    text.Raw(first ? ""u8 : ", "u8);
                    first = false;
                    Write(element, text);
                }

                text.Raw((byte)']');
                break;
            case JsonValueKind.String:
                text.String(Encoding.UTF8.GetBytes(value.GetString()!));
                break;
            case JsonValueKind.Number:
                WriteNumber(value.GetRawText(), text);
                break;
            default:
                text.Raw(value.ValueKind switch { JsonValueKind.True => "true"u8, JsonValueKind.False => "false"u8, _ => "null"u8 });
                break;
        }
    }

    private static void WriteObject(JsonElement value, JsonText text)
    {
        var members = new SortedDictionary<byte[], JsonElement>(Comparer<byte[]>.Create((a, b) => a.Length != b.Length ? a.Length.CompareTo(b.Length) : a.AsSpan().SequenceCompareTo(b)));
        foreach (var member in value.EnumerateObject())
        {
            members[Encoding.UTF8.GetBytes(member.Name)] = member.Value;
        }

        text.Raw((byte)'{');
        var first = true;
        foreach (var (name, member) in members)
        {
            text.Raw(first ? ""u8 : ", "u8);
            first = false;
            text.String(name);
            text.Raw(": "u8);
            Write(member, text);
        }

        text.Raw((byte)'}');
    }

    private static void WriteNumber(string raw, JsonText text)
    {
        var isInteger = raw.AsSpan().IndexOfAny('.', 'e', 'E') < 0;
        if (isInteger && long.TryParse(raw, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var signed))
        {
            text.Number(signed);
        }
        else if (isInteger && ulong.TryParse(raw, NumberStyles.None, CultureInfo.InvariantCulture, out var unsigned))
        {
            text.Number(unsigned);
        }
        else
        {
            text.Number(double.Parse(raw, CultureInfo.InvariantCulture));
        }
    }
}
