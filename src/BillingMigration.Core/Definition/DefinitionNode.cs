using System.Globalization;
using System.Text;
using System.Text.Json;

namespace BillingMigration.Definition;

/// <summary>A JSON value with its path and line, so that every mistake can be told with its place.</summary>
internal sealed class DefinitionNode(JsonTokenType kind, string path, int line, string text)
{
    /// <summary><c>StartObject</c>, <c>StartArray</c>, <c>String</c>, <c>Number</c>, <c>True</c>, <c>False</c> or <c>Null</c>.</summary>
    public JsonTokenType Kind { get; } = kind;

    public string Path { get; } = path;

    public int Line { get; } = line;

    /// <summary>Unescaped text of a string, digits of a number.</summary>
    public string Text { get; } = text;

    /// <summary>Properties of an object in file order; a name that stands twice is there twice.</summary>
    public List<KeyValuePair<string, DefinitionNode>> Properties { get; } = [];

    public List<DefinitionNode> Items { get; } = [];

    public string Place => $"{Path} (line {Line.ToString(CultureInfo.InvariantCulture)})";

    public bool IsObject => Kind == JsonTokenType.StartObject;

    public bool IsArray => Kind == JsonTokenType.StartArray;

    public bool IsString => Kind == JsonTokenType.String;

    /// <summary>What kind of value it is, in words.</summary>
    public string KindName => Kind switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        _ => "true or false",
    };

    public DefinitionNode? Property(string name) => Properties.FindLast(p => p.Key == name).Value;

    /// <summary>The node at the end of the path, or the nearest one above it that is there.</summary>
    public DefinitionNode At(params ReadOnlySpan<object> path)
    {
        var node = this;
        foreach (var step in path)
        {
            var next = step switch
            {
                string name => node.Properties.FindLast(p => string.Equals(p.Key, name, StringComparison.OrdinalIgnoreCase)).Value,
                int index when index < node.Items.Count => node.Items[index],
                _ => null,
            };
            if (next is null)
            {
                // A lone template stands for a list of one.
                if (step is int)
                {
                    continue;
                }

                break;
            }

            node = next;
        }

        return node;
    }

    /// <summary>Reads JSON text with comments and trailing commas.</summary>
    /// <exception cref="JsonException">The text is no JSON.</exception>
    public static DefinitionNode Parse(string json)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 32 });
        var lines = new LineCounter(bytes);
        reader.Read();
        var root = Read(ref reader, lines, "$");
        reader.Read();
        return root;
    }

    private static DefinitionNode Read(ref Utf8JsonReader reader, LineCounter lines, string path)
    {
        var text = reader.TokenType switch
        {
            JsonTokenType.String => reader.GetString()!,
            JsonTokenType.Number => Encoding.UTF8.GetString(reader.ValueSpan),
            _ => string.Empty,
        };
        var node = new DefinitionNode(reader.TokenType, path, lines.LineAt(reader.TokenStartIndex), text);
        if (node.IsArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                node.Items.Add(Read(ref reader, lines, $"{path}[{node.Items.Count.ToString(CultureInfo.InvariantCulture)}]"));
            }
        }
        else if (node.IsObject)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                var name = reader.GetString()!;
                reader.Read();
                node.Properties.Add(new(name, Read(ref reader, lines, path + Step(name))));
            }
        }

        return node;
    }

    /// <summary><c>.name</c>, or <c>['odd name']</c>.</summary>
    internal static string Step(string name) =>
        name.Length > 0 && name.All(c => char.IsLetterOrDigit(c) || c is '_' or '$' or '-') ? "." + name : $"['{name}']";

    private sealed class LineCounter(byte[] bytes)
    {
        private int line = 1;
        private int counted;

        /// <summary>1-based line of a byte offset; offsets never go back.</summary>
        public int LineAt(long offset)
        {
            line += bytes.AsSpan(counted, (int)offset - counted).Count((byte)'\n');
            counted = (int)offset;
            return line;
        }
    }
}
