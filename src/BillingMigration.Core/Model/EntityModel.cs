using System.Collections.Immutable;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>One column of a row's layout: of the entity's own table, or of a lookup's.</summary>
public sealed record RowColumn(string? Lookup, ColumnSchema Column);

/// <summary>One attribute of an item that is a column's value.</summary>
/// <param name="RowIndex">Index of the column in the row's layout.</param>
/// <param name="Form">Of the value, before it is encrypted.</param>
/// <param name="Encrypted">The attribute is the value's canonical text (or bytes), encrypted.</param>
public sealed record AttributeModel(string Name, int RowIndex, ColumnSchema Column, AttributeForm Form, bool Sensitive, bool Encrypted)
{
    /// <summary>The DynamoDB type.</summary>
    public AttributeType Type => Encrypted ? AttributeType.B : AttributeForms.TypeOf(Form);
}

/// <summary>A pair of key attributes: of the table itself, or of an index.</summary>
/// <param name="Index">Index name, or null for the table.</param>
public sealed record KeyModel(string? Index, string PartitionKeyAttribute, string SortKeyAttribute, ImmutableArray<BoundKeyTemplate> PartitionKey,
    ImmutableArray<BoundKeyTemplate> SortKey, BoundCondition? When);

/// <param name="RowIndex">Index of the column in the row's layout.</param>
/// <param name="In">Canonical texts of the column under which the condition holds.</param>
public sealed record BoundCondition(int RowIndex, AttributeForm Form, ImmutableArray<byte[]> In);

/// <summary>
/// An entity bound to its source table: the layout of its rows, the attributes of its items and their order, its keys. Together with the
/// item encoder and decoder this is the one place that knows the single-table design.
/// </summary>
public sealed class EntityModel
{
    public const string PartitionKey = "pk";
    public const string SortKey = "sk";
    public const string EntityAttribute = "entity";

    private EntityModel(EntityDefinition definition, TableSchema table)
    {
        Definition = definition;
        Table = table;
    }

    public EntityDefinition Definition { get; }

    public string Entity => Definition.Entity;

    public TableSchema Table { get; }

    /// <summary>Columns to read, in this order: the table's own in ordinal order, then those of lookups.</summary>
    public ImmutableArray<RowColumn> Row { get; private init; }

    /// <summary>Attributes in the order of the canonical item, after the keys and <c>entity</c>.</summary>
    public ImmutableArray<AttributeModel> Attributes { get; private init; }

    /// <summary>The table's key first, then those of the indexes in the definition's order.</summary>
    public ImmutableArray<KeyModel> Keys { get; private init; }

    /// <summary>Indexes in <see cref="Row"/> of the primary key's columns, in key order.</summary>
    public ImmutableArray<int> PrimaryKey { get; private init; }

    /// <summary>
    /// Columns that tell rows apart, as items or as rows, by texts of which Unicode may have several as one: they are read as <see cref="RawText"/> then.
    /// </summary>
    internal ImmutableArray<int> ExactTexts { get; private init; } = [];

    /// <summary>What encrypts the attributes that are to be; null where the items of the model are not looked at.</summary>
    internal AttributeCipher? Cipher { get; private init; }

    /// <summary>Binds a definition to the tables it names.</summary>
    /// <param name="cipher">Null: for a model whose items are neither written nor read.</param>
    /// <param name="view">Only what it shows is of the model; null: everything.</param>
    /// <exception cref="MigrationException"><c>InvalidDefinition</c>: the definition does not fit the schema.</exception>
    public static EntityModel Bind(EntityDefinition definition, ImmutableArray<IndexDefinition> indexes, IReadOnlyDictionary<string, TableSchema> tables, AttributeCipher? cipher = null, ViewDefinition? view = null)
    {
        var table = tables.TryGetValue(definition.Table, out var found)
            ? found
            : throw Misfit(definition, $"has the table {definition.Table}, which the source does not show");
        definition = view is null ? definition : EntityView.Of(definition, table, view);
        var row = LayOut(definition, table, tables);
        var model = new EntityModel(definition, table)
        {
            Row = row,
            Cipher = cipher,
            Attributes = [.. BindAttributes(definition, row)],
            Keys = [BindKey(definition, row, null, new IndexKeyDefinition { PartitionKey = [definition.PartitionKey], SortKey = [definition.SortKey] }),
                .. indexes.Where(i => definition.Indexes.ContainsKey(i.Name)).Select(i => BindKey(definition, row, i, definition.Indexes[i.Name]))],
            PrimaryKey = [.. table.PrimaryKey.Select(name => Find(row, null, name))],
            ExactTexts = [.. ExactTextsOf(definition, table, row)],
        };
        return model;
    }

    private static IEnumerable<int> ExactTextsOf(EntityDefinition definition, TableSchema table, ImmutableArray<RowColumn> row)
    {
        var named = definition.PartitionKey.Columns.Concat(definition.SortKey.Columns).Where(c => c.Lookup is null).Select(c => c.Column);
        return table.PrimaryKey.Concat(named).Select(name => Find(row, null, name)).Distinct().Where(i => RawText.MayBe(row[i].Column)).Order();
    }

    /// <summary>A table that is not migrated: what of its rows decides which rows they refer to, and who refers to them. It has no items.</summary>
    internal static EntityModel Outside(TableSchema table)
    {
        var definition = new EntityDefinition { Entity = "", Table = table.Name, PartitionKey = KeyTemplate.Parse("OUTSIDE"), SortKey = KeyTemplate.Parse("OUTSIDE") };
        ImmutableArray<RowColumn> row = [.. table.Columns.Where(c => c.Generated != GeneratedColumn.Virtual && c.CanBeKey()).Select(c => new RowColumn(null, c))];
        int[] key = [.. table.PrimaryKey.Select(name => Find(row, null, name))];
        return new EntityModel(definition, table) { Row = row, Attributes = [], Keys = [], PrimaryKey = key.Contains(-1) ? [] : [.. key] };
    }

    /// <summary>Identity of a row for messages: <c>charge_id=42</c>.</summary>
    public string Describe(RowBuffer row) =>
        string.Join(", ", PrimaryKey.Select(i => $"{Row[i].Column.Name}={KeyText.Of(Row[i].Column, row[i])}"));

    internal static MigrationException Misfit(EntityDefinition definition, string what) => new(
        "InvalidDefinition", MigrationErrorKind.InvalidDefinition,
        $"The entity {definition.Entity} {what}. Correct migration.json, or the source's schema, and connect again.", definition.Entity);

    private static ImmutableArray<RowColumn> LayOut(EntityDefinition definition, TableSchema table, IReadOnlyDictionary<string, TableSchema> tables)
    {
        var templates = new[] { definition.PartitionKey, definition.SortKey }
            .Concat(definition.Indexes.Values.SelectMany(i => i.PartitionKey.Concat(i.SortKey)));
        var used = templates.SelectMany(t => t.Columns).ToArray();
        var needed = used.Where(c => c.Lookup is null).Select(c => c.Column)
            .Concat(definition.Indexes.Values.Where(i => i.When is not null).Select(i => i.When!.Column))
            .Concat(table.PrimaryKey)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        var row = ImmutableArray.CreateBuilder<RowColumn>();
        foreach (var column in table.Columns)
        {
            var excluded = definition.Columns.TryGetValue(column.Name, out var rule) && rule.Exclude;
            if (needed.Contains(column.Name) || (!excluded && column.Generated != GeneratedColumn.Virtual))
            {
                row.Add(new RowColumn(null, column));
            }
        }

        foreach (var part in used.Where(c => c.Lookup is not null).DistinctBy(c => (c.Lookup, c.Column.ToUpperInvariant())))
        {
            var lookup = definition.Lookups.TryGetValue(part.Lookup!, out var known) ? known : throw Misfit(definition, $"uses the lookup {part.Lookup}, which it does not define");
            var column = tables.TryGetValue(lookup.Table, out var parent) ? parent.FindColumn(part.Column) : null;
            row.Add(new RowColumn(part.Lookup, column ?? throw Misfit(definition, $"uses {part.Lookup}.{part.Column}, which {lookup.Table} does not have")));
        }

        return row.ToImmutable();
    }

    private static IEnumerable<AttributeModel> BindAttributes(EntityDefinition definition, ImmutableArray<RowColumn> row)
    {
        for (var i = 0; i < row.Length; i++)
        {
            var column = row[i].Column;
            definition.Columns.TryGetValue(column.Name, out var rule);
            if (row[i].Lookup is not null || rule is { Exclude: true } || column.Generated == GeneratedColumn.Virtual)
            {
                continue;
            }

            yield return new AttributeModel(rule?.Attribute ?? column.Name, i, column, FormOf(definition, column), rule is { Sensitive: true } or { Encrypt: true }, rule?.Encrypt ?? false);
        }
    }

    private static AttributeForm FormOf(EntityDefinition definition, ColumnSchema column)
    {
        definition.Columns.TryGetValue(column.Name, out var rule);
        return AttributeForms.For(column, rule?.Type)
            ?? throw Misfit(definition, $"has the column {column.Name} of type {column.ColumnType}, which has no attribute form: exclude it (\"columns\": {{ \"{column.Name}\": {{ \"exclude\": true }} }})");
    }

    private static KeyModel BindKey(EntityDefinition definition, ImmutableArray<RowColumn> row, IndexDefinition? index, IndexKeyDefinition key)
    {
        BoundCondition? when = null;
        if (key.When is { } condition)
        {
            var at = Find(row, null, condition.Column);
            when = at < 0
                ? throw Misfit(definition, $"has a condition on {condition.Column}, which {definition.Table} does not have")
                : new BoundCondition(at, FormOf(definition, row[at].Column), [.. condition.In.Select(System.Text.Encoding.UTF8.GetBytes)]);
        }

        BoundKeyTemplate Bind(KeyTemplate template) => BoundKeyTemplate.Bind(definition, template, row, FormOf);
        return new KeyModel(index?.Name, index?.PartitionKeyAttribute ?? PartitionKey, index?.SortKeyAttribute ?? SortKey,
            [.. key.PartitionKey.Select(Bind)], [.. key.SortKey.Select(Bind)], when);
    }

    internal static int Find(ImmutableArray<RowColumn> row, string? lookup, string column)
    {
        for (var i = 0; i < row.Length; i++)
        {
            if (row[i].Lookup == lookup && string.Equals(row[i].Column.Name, column, StringComparison.OrdinalIgnoreCase))
            {
                return i;
            }
        }

        return -1;
    }
}
