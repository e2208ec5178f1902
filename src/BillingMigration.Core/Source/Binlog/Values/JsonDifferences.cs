using System.Text;
using System.Text.Json;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// Applies the differences of a partial update (<c>binlog_row_value_options=PARTIAL_JSON</c>) to a document:
/// https://dev.mysql.com/doc/dev/mysql-server/latest/classJson__diff__vector.html.
/// </summary>
internal static class JsonDifferences
{
    private const byte Replace = 0;
    private const byte Insert = 1;
    private const byte Remove = 2;

    /// <param name="before">Binary JSON of the document.</param>
    /// <param name="differences">Operation, path and value, one after the other.</param>
    public static void Apply(ReadOnlySpan<byte> before, ReadOnlySpan<byte> differences, JsonText text)
    {
        var root = JsonNode.Read(before, text.PrintsOpaqueStrings);
        var reader = new EventReader(differences);
        while (reader.Left > 0)
        {
            var operation = reader.Byte();
            var path = JsonPath.Parse(reader.Text(reader.PackedLength()));
            var value = operation == Remove ? null : JsonNode.Read(reader.Bytes(reader.PackedLength()), text.PrintsOpaqueStrings);
            if (path.Count == 0)
            {
                root = operation == Replace ? value! : throw Misfit();
                continue;
            }

            var parent = root;
            foreach (var leg in path.Take(path.Count - 1))
            {
                parent = parent.Find(leg);
            }

            switch (operation)
            {
                case Replace: parent.Replace(path[^1], value!); break;
                case Insert: parent.Insert(path[^1], value!); break;
                case Remove: parent.Remove(path[^1]); break;
                default: throw EventErrors.Unreadable("a difference of JSON is of an unknown kind");
            }
        }

        root.Write(text);
    }

    internal static MigrationException Misfit() => EventErrors.Unreadable("a difference of JSON does not fit the document that it changes");
}

/// <param name="Key">A member's name; null for an array's element.</param>
internal readonly record struct JsonLeg(string? Key, int Index);

internal static class JsonPath
{
    /// <summary>Reads <c>$.name."other name"[3]</c>.</summary>
    public static List<JsonLeg> Parse(string path)
    {
        var legs = new List<JsonLeg>();
        var at = path.StartsWith('$') ? 1 : throw Malformed();
        while (at < path.Length)
        {
            if (legs.Count == JsonBinary.MostDepth)
            {
                throw Malformed();
            }

            if (path[at] == '[')
            {
                var end = path.IndexOf(']', at);
                legs.Add(end > 0 && int.TryParse(path.AsSpan(at + 1, end - at - 1), out var index) && index >= 0 ? new JsonLeg(null, index) : throw Malformed());
                at = end + 1;
            }
            else if (path[at] == '.')
            {
                at++;
                legs.Add(new JsonLeg(at < path.Length && path[at] == '"' ? Quoted(path, ref at) : Bare(path, ref at), 0));
            }
            else
            {
                throw Malformed();
            }
        }

        return legs;
    }

    private static string Bare(string path, ref int at)
    {
        var end = path.AsSpan(at).IndexOfAny('.', '[') is >= 0 and var length ? at + length : path.Length;
        var key = path[at..end];
        at = end;
        return key;
    }

    private static string Quoted(string path, ref int at)
    {
        var start = at++;
        while (at < path.Length && path[at] != '"')
        {
            at += path[at] == '\\' ? 2 : 1;
        }

        at++;
        try
        {
            return at <= path.Length ? JsonSerializer.Deserialize<string>(path.AsSpan(start, at - start))! : throw Malformed();
        }
        catch (JsonException)
        {
            throw Malformed();
        }
    }

    private static MigrationException Malformed() => EventErrors.Unreadable("the path of a JSON difference is malformed");
}

/// <summary>A JSON document that can be changed; values keep the text that the server printed for them.</summary>
internal sealed class JsonNode
{
    private static readonly JsonReaderOptions Deep = new() { MaxDepth = 256 };

    private readonly byte[]? leaf;
    private readonly List<JsonNode>? items;
    private readonly List<(byte[] Name, byte[] Printed, JsonNode Value)>? members;

    private JsonNode(byte[]? leaf, List<JsonNode>? items, List<(byte[], byte[], JsonNode)>? members) => (this.leaf, this.items, this.members) = (leaf, items, members);

    /// <param name="binary">Binary JSON.</param>
    /// <param name="printsOpaqueStrings">See <see cref="JsonText"/>.</param>
    public static JsonNode Read(ReadOnlySpan<byte> binary, bool printsOpaqueStrings)
    {
        var text = new JsonText { PrintsOpaqueStrings = printsOpaqueStrings };
        JsonBinary.Write(binary, text);
        var reader = new Utf8JsonReader(text.Written, Deep);
        try
        {
            reader.Read();
            return Read(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second is what bytes that are no UTF-8 give.
            throw EventErrors.Unreadable("a JSON document is malformed", e);
        }
    }

    public JsonNode Find(JsonLeg leg) => leg.Key is { } key
        ? members is not null && IndexOf(key) is >= 0 and var at ? members[at].Value : throw JsonDifferences.Misfit()
        : items is not null && leg.Index < items.Count ? items[leg.Index] : throw JsonDifferences.Misfit();

    public void Replace(JsonLeg leg, JsonNode value)
    {
        Find(leg);
        if (leg.Key is { } key)
        {
            var at = IndexOf(key);
            members![at] = members[at] with { Value = value };
        }
        else
        {
            items![leg.Index] = value;
        }
    }

    public void Insert(JsonLeg leg, JsonNode value)
    {
        if (leg.Key is { } key && members is not null && IndexOf(key) < 0)
        {
            // The server keeps members by the length of their names, then by their bytes.
            var name = Encoding.UTF8.GetBytes(key);
            var at = members.FindIndex(m => m.Name.Length > name.Length || (m.Name.Length == name.Length && m.Name.AsSpan().SequenceCompareTo(name) > 0));
            var printed = new JsonText();
            printed.String(name);
            members.Insert(at < 0 ? members.Count : at, (name, printed.Written.ToArray(), value));
        }
        else if (leg.Key is null && items is not null)
        {
            items.Insert(Math.Min(leg.Index, items.Count), value);
        }
        else
        {
            throw JsonDifferences.Misfit();
        }
    }

    public void Remove(JsonLeg leg)
    {
        Find(leg);
        if (leg.Key is { } key)
        {
            members!.RemoveAt(IndexOf(key));
        }
        else
        {
            items!.RemoveAt(leg.Index);
        }
    }

    public void Write(JsonText text)
    {
        if (leaf is not null)
        {
            text.Raw(leaf);
            return;
        }

        text.Raw(members is null ? (byte)'[' : (byte)'{');
        for (var i = 0; i < (items?.Count ?? members!.Count); i++)
        {
            if (i > 0)
            {
                text.Raw(", "u8);
            }

            if (members is not null)
            {
                text.Raw(members[i].Printed);
                text.Raw(": "u8);
            }

            (items?[i] ?? members![i].Value).Write(text);
        }

        text.Raw(members is null ? (byte)']' : (byte)'}');
    }

    private static JsonNode Read(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var members = new List<(byte[], byte[], JsonNode)>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                {
                    var (name, printed) = (Encoding.UTF8.GetBytes(reader.GetString()!), (byte[])[(byte)'"', .. reader.ValueSpan, (byte)'"']);
                    reader.Read();
                    members.Add((name, printed, Read(ref reader)));
                }

                return new JsonNode(null, null, members);
            case JsonTokenType.StartArray:
                var items = new List<JsonNode>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(Read(ref reader));
                }

                return new JsonNode(null, items, null);
            case JsonTokenType.String:
                return new JsonNode([(byte)'"', .. reader.ValueSpan, (byte)'"'], null, null);
            default:
                return new JsonNode(reader.ValueSpan.ToArray(), null, null);
        }
    }

    private int IndexOf(string key)
    {
        var name = Encoding.UTF8.GetBytes(key);
        return members!.FindIndex(m => m.Name.AsSpan().SequenceEqual(name));
    }
}
