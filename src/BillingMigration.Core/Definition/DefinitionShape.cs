using System.Collections.Immutable;

namespace BillingMigration.Definition;

/// <summary>The properties that each object of <c>migration.json</c> may have. <c>module/migration.schema.json</c> says the same to editors; a test compares the two.</summary>
/// <param name="Name">What the object is, for messages.</param>
/// <param name="Properties">Known properties.</param>
internal sealed record DefinitionShape(string Name, ImmutableArray<ShapeProperty> Properties)
{
    private static readonly DefinitionShape Tls = new("tls", [new("mode"), new("caFile")]);

    private static readonly DefinitionShape Source = new(
        "source", [new("host", Required: true), new("port"), new("database", Required: true), new("tls", Child: Tls), new("compression")]);

    private static readonly DefinitionShape Target = new(
        "target",
        [
            new("region"), new("endpointUrl"), new("table", Required: true), new("controlTable"), new("billingMode"), new("readCapacityUnits"),
            new("writeCapacityUnits"), new("kmsKeyId"), new("encryption", Child: new("encryption", [new("kmsKeyId", Required: true), new("kmsEndpointUrl")])), new("tags"), new("pricePerMillionWriteUnits"),
        ]);

    private static readonly DefinitionShape Path = new(
        "path",
        [
            new("name", Required: true), new("kind", Required: true),
            new("source", Child: new("path source", [new("host"), new("port")])),
            new("target", Child: new("path target", [new("endpointUrl")])),
        ]);

    private static readonly DefinitionShape Throttle = new(
        "throttle",
        [
            new("itemsPerSecond"), new("bytesPerSecond"), new("writeUnitsPerSecond"), new("rowsPerSecond"), new("maxThreadsRunning"), new("outageMinutes"), new("readers"),
            new("writers"),
        ]);

    private static readonly DefinitionShape IndexKey = new(
        "index key",
        [
            new("pk", Required: true), new("sk", Required: true),
            new("when", Child: new("condition", [new("column", Required: true), new("in", Required: true)])),
        ]);

    private static readonly DefinitionShape Entity = new(
        "entity",
        [
            new("entity", Required: true), new("table", Required: true), new("pk", Required: true), new("sk", Required: true),
            new("indexes", ShapeNesting.Map, IndexKey),
            new("lookups", ShapeNesting.Map, new("lookup", [new("table", Required: true), new("on", Required: true)])),
            new("columns", ShapeNesting.Map, new("column", [new("attribute"), new("type"), new("sensitive"), new("encrypt"), new("exclude")])),
        ]);

    public static DefinitionShape Root { get; } = new(
        "definition",
        [
            new("$schema"), new("name", Required: true), new("questions"), new("source", Child: Source, Required: true), new("target", Child: Target, Required: true),
            new("paths", ShapeNesting.List, Path), new("throttle", Child: Throttle),
            new("indexes", ShapeNesting.List, new("index", [new("name", Required: true), new("include")])),
            new("entities", ShapeNesting.List, Entity, Required: true),
            new("views", ShapeNesting.Map, new("view", [new("columns", Required: true)])),
        ]);

    public ShapeProperty? Find(string name) => Properties.FirstOrDefault(p => p.Name == name);
}

internal enum ShapeNesting
{
    /// <summary>The property's value is the child object itself, or a plain value.</summary>
    Object,

    /// <summary>A list of child objects.</summary>
    List,

    /// <summary>Child objects by a name of the user's choice.</summary>
    Map,
}

/// <param name="Name">Property name.</param>
/// <param name="Nesting">How <paramref name="Child"/> is nested.</param>
/// <param name="Child">Shape of the objects below; null for plain values.</param>
/// <param name="Required">True when it must be there.</param>
internal sealed record ShapeProperty(string Name, ShapeNesting Nesting = ShapeNesting.Object, DefinitionShape? Child = null, bool Required = false);
