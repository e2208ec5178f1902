using System.Text.Json;
using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Definition;

/// <summary>The schema that editors use and the loader know the same properties.</summary>
public sealed class DefinitionJsonSchemaTests
{
    private readonly JsonObject schema = JsonNode.Parse(File.ReadAllText(Repository.PathOf("module", "migration.schema.json")))!.AsObject();

    [Fact]
    public void Schema_and_loader_know_the_same_properties() =>
        Assert.Equal(PropertiesOf(DefinitionShape.Root, "$").Order(StringComparer.Ordinal), PropertiesOf(schema, "$").Order(StringComparer.Ordinal));

    [Fact]
    public void Every_property_has_a_description_and_no_object_takes_unknown_ones()
    {
        foreach (var (path, node) in Objects(schema, "$"))
        {
            Assert.True(node["additionalProperties"] is JsonValue value && !value.GetValue<bool>(), $"{path} takes unknown properties");
            foreach (var (name, property) in node["properties"]!.AsObject())
            {
                var described = property!["$ref"] is { } reference ? schema["$defs"]![reference.GetValue<string>().Split('/')[^1]]! : property;
                Assert.True(described["description"] is not null, $"{path}.{name} has no description");
            }
        }
    }

    [Fact]
    public void The_choices_of_the_schema_are_those_of_the_loader()
    {
        Assert.Equal(Enum.GetNames<SourceTlsMode>(), Choices("source", "tls", "mode"));
        Assert.Equal(Enum.GetNames<BillingMode>(), Choices("target", "billingMode"));
        Assert.Equal(Enum.GetNames<PathKind>(), Choices("paths", "kind"));
        Assert.Equal(Enum.GetNames<AttributeType>(), Choices("entities", "columns", "type"));
    }

    /// <summary>A property that the loader lists but never reads would pass with any value.</summary>
    [Fact]
    public void Every_known_property_is_read()
    {
        var unread = new List<string>();
        foreach (var path in PropertiesOf(DefinitionShape.Root, "$").Select(p => p.TrimEnd('!')))
        {
            // No property takes a list of empty lists.
            var problems = MigrationDefinitionFile.Check(With(path[2..].Split('.'), "[[]]"));
            var place = path.Replace("[]", "[0]", StringComparison.Ordinal).Replace(".*", ".xxx", StringComparison.Ordinal);
            if (!problems.Any(p => p.Place.StartsWith(place, StringComparison.Ordinal) && !p.Problem.Contains("unknown", StringComparison.Ordinal)))
            {
                unread.Add(path);
            }
        }

        Assert.Empty(unread);
    }

    private static string With(ReadOnlySpan<string> steps, string value)
    {
        if (steps.IsEmpty)
        {
            return value;
        }

        var rest = With(steps[1..], value);
        var name = steps[0] == "*" ? "xxx" : steps[0].Replace("[]", string.Empty, StringComparison.Ordinal);
        return $$"""{ {{JsonSerializer.Serialize(name)}}: {{(steps[0].EndsWith("[]", StringComparison.Ordinal) ? $"[{rest}]" : rest)}} }""";
    }

    /// <summary><c>$.entities[].columns.*.type</c>; a required one ends with <c>!</c>.</summary>
    private static IEnumerable<string> PropertiesOf(DefinitionShape shape, string path)
    {
        foreach (var property in shape.Properties)
        {
            yield return $"{path}.{property.Name}{(property.Required ? "!" : string.Empty)}";
            if (property.Child is { } child)
            {
                var below = property.Nesting switch { ShapeNesting.List => "[]", ShapeNesting.Map => ".*", _ => string.Empty };
                foreach (var deeper in PropertiesOf(child, $"{path}.{property.Name}{below}"))
                {
                    yield return deeper;
                }
            }
        }
    }

    private static IEnumerable<string> PropertiesOf(JsonObject schema, string path) => Objects(schema, path).SelectMany(o =>
    {
        var required = o.Node["required"]?.AsArray().Select(r => r!.GetValue<string>()).ToList() ?? [];
        Assert.All(required, r => Assert.True(o.Node["properties"]!.AsObject().ContainsKey(r)));
        return o.Node["properties"]!.AsObject().Select(p => $"{o.Path}.{p.Key}{(required.Contains(p.Key) ? "!" : string.Empty)}");
    });

    private static IEnumerable<(string Path, JsonObject Node)> Objects(JsonNode? node, string path)
    {
        if (node is not JsonObject schema)
        {
            return [];
        }

        if (schema["properties"] is JsonObject properties)
        {
            return properties.SelectMany(p => Objects(p.Value, $"{path}.{p.Key}")).Prepend((path, schema));
        }

        return schema["items"] is { } items ? Objects(items, path + "[]") : Objects(schema["additionalProperties"], path + ".*");
    }

    private IEnumerable<string> Choices(params string[] path)
    {
        JsonNode node = schema;
        foreach (var step in path)
        {
            node = (node["items"] ?? (node["properties"] is null ? node["additionalProperties"] : null) ?? node)["properties"]![step]!;
        }

        return node["enum"]!.AsArray().Select(v => v!.GetValue<string>());
    }
}
