using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace BillingMigration.Definition;

/// <summary>Reads one entity of the definition.</summary>
internal sealed partial class EntityBuilder(DefinitionProblems problems)
{
    /// <summary>Stands for a template that could not be read: it has no parts.</summary>
    public static readonly KeyTemplate Unreadable = new(string.Empty, []);

    public EntityDefinition Build(DefinitionObjectReader reader)
    {
        var name = reader.Text("entity");
        if (name is not null && !EntityName().IsMatch(name))
        {
            problems.Add(reader.Place("entity"), $"'{name}' is not a possible entity name.", "Use 1 to 64 of A-Z a-z 0-9 _ -, beginning with a letter.");
        }

        var table = reader.Text("table");
        if (table is not null)
        {
            ValidSqlName(problems, reader.Place("table"), table, "table");
        }

        return new EntityDefinition
        {
            Entity = name ?? string.Empty,
            Table = table ?? string.Empty,
            PartitionKey = Template(reader, "pk"),
            SortKey = Template(reader, "sk"),
            Indexes = reader.NamedObjects("indexes").ToImmutableSortedDictionary(e => e.Key, e => IndexKey(e.Value)),
            Lookups = reader.NamedObjects("lookups").ToImmutableSortedDictionary(e => e.Key, e => Lookup(e.Key, e.Value)),
            Columns = reader.NamedObjects("columns").ToImmutableSortedDictionary(e => e.Key, e => Column(e.Key, e.Value), StringComparer.OrdinalIgnoreCase),
        };
    }

    /// <summary>Database, table and column names have at most 64 characters and do not end with a space.</summary>
    public static bool ValidSqlName(DefinitionProblems problems, DefinitionNode place, string name, string what)
    {
        if (name.Length <= 64 && name.Trim() == name)
        {
            return true;
        }

        problems.Add(place, $"'{name}' is not a possible {what} name.", "MySQL names have 1 to 64 characters and no space at either end; write it without quotes or backticks.");
        return false;
    }

    private KeyTemplate Template(DefinitionObjectReader reader, string name) =>
        reader.Value(name) is { } value && TemplateOf(reader, value) is { } template ? template : Unreadable;

    private KeyTemplate? TemplateOf(DefinitionObjectReader reader, DefinitionNode value)
    {
        if (reader.TextOf(value) is not { } text)
        {
            return null;
        }

        if (KeyTemplate.TryParse(text, out var template, out var problem))
        {
            return template;
        }

        problems.Add(value, problem.Problem, problem.Remedy);
        return null;
    }

    private IndexKeyDefinition IndexKey(DefinitionObjectReader reader)
    {
        ColumnCondition? when = null;
        if (reader.Object("when") is { } condition)
        {
            var values = condition.Items("in").Select(value => value.IsString ? value.Text : condition.TextOf(value)).OfType<string>().ToImmutableArray();
            if (values.IsEmpty && condition.Value("in") is { IsArray: true } empty)
            {
                problems.Add(empty, "The list 'in' is empty: no row would ever be in the index.", "List at least one value.");
            }

            when = condition.Text("column") is { } column ? new ColumnCondition(column, values) : null;
        }

        return new IndexKeyDefinition { PartitionKey = Templates(reader, "pk"), SortKey = Templates(reader, "sk"), When = when };
    }

    private ImmutableArray<KeyTemplate> Templates(DefinitionObjectReader reader, string name)
    {
        if (reader.Value(name) is not { } value)
        {
            return [];
        }

        if (!value.IsArray)
        {
            return TemplateOf(reader, value) is { } template ? [template] : [Unreadable];
        }

        if (value.Items.Count == 0)
        {
            problems.Add(value, "The list of key templates is empty.", "Write one template, or a list of which the first usable one is taken.");
        }

        return [.. value.Items.Select(item => TemplateOf(reader, item) ?? Unreadable)];
    }

    private LookupDefinition Lookup(string name, DefinitionObjectReader reader)
    {
        if (name.IndexOfAny(['.', ':', '%', '#', '{', '}']) >= 0)
        {
            problems.Add(reader.Node, $"'{name}' is not a possible lookup name.", "Leave out . : % # { }, which have a meaning in key templates.");
        }

        var on = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (child, parent) in reader.Entries("on"))
        {
            if (reader.TextOf(parent) is { } parentColumn)
            {
                on[child] = parentColumn;
            }
        }

        if (reader.Value("on") is { IsObject: true, Properties.Count: 0 } empty)
        {
            problems.Add(empty, $"The lookup '{name}' joins on no column.", "Write { \"child_column\": \"parent_column\" }: the columns of the foreign key.");
        }

        return new LookupDefinition(reader.Text("table") ?? string.Empty, on.ToImmutable());
    }

    private ColumnDefinition Column(string name, DefinitionObjectReader reader)
    {
        ValidSqlName(problems, reader.Node, name, "column");
        var column = new ColumnDefinition
        {
            Attribute = reader.Text("attribute"),
            Type = reader.OneOf<AttributeType>("type"),
            Sensitive = reader.Flag("sensitive") ?? false,
            Encrypt = reader.Flag("encrypt") ?? false,
            Exclude = reader.Flag("exclude") ?? false,
        };
        if (column.Attribute is { } attribute && Encoding.UTF8.GetByteCount(attribute) is var bytes and > 255)
        {
            problems.Add(reader.Place("attribute"), $"The attribute name has {bytes.ToString(CultureInfo.InvariantCulture)} bytes.", "Use at most 255 bytes.");
        }

        if (column.Exclude && (column.Attribute is not null || column.Type is not null || column.Encrypt))
        {
            problems.Add(
                reader.Node,
                $"The column '{name}' is excluded and has an attribute, a type or encryption.",
                "Remove \"exclude\", or remove \"attribute\", \"type\" and \"encrypt\".");
        }

        return column;
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_-]{0,63}\z")]
    private static partial Regex EntityName();
}
