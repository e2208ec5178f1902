using System.Collections.Immutable;
using System.Text.RegularExpressions;
using BillingMigration.Model;

namespace BillingMigration.Source;

/// <summary>What the queries of <see cref="SchemaInspector"/> have found of one table so far.</summary>
internal sealed partial class TableRows(string database, string name, string? engine, long rows, long averageBytes, bool systemVersioned)
{
    private readonly List<(string Name, List<string?> Columns)> keys = [];

    /// <summary>
    /// As the server spells it, and the change stream does: a definition may spell it otherwise where <c>lower_case_table_names</c> is not 0.
    /// </summary>
    public string Database { get; } = database;

    public string Name { get; } = name;

    public List<ColumnSchema> Columns { get; } = [];

    /// <summary>Unique keys that are not made of whole columns alone.</summary>
    public SortedSet<string> PartialKeys { get; } = new(StringComparer.Ordinal);

    public List<Reference> References { get; } = [];

    /// <summary>Columns of a system-versioned table's period: part of its keys in the dictionary, though current rows are unique without them.</summary>
    public HashSet<string> PeriodColumns { get; } = new(StringComparer.OrdinalIgnoreCase);

    public bool LacksRules => References.Any(r => r.OnDelete is null);

    /// <param name="column">Null for a functional key part of MySQL 8.</param>
    /// <param name="isPart">Only the beginning of the column is in the key.</param>
    public void AddKeyColumn(string key, string? column, bool isPart)
    {
        if (keys.Count == 0 || keys[^1].Name != key)
        {
            keys.Add((key, []));
        }

        keys[^1].Columns.Add(column);
        if (isPart || column is null)
        {
            PartialKeys.Add(key);
        }
    }

    /// <param name="referencedDatabase">Null: the same.</param>
    public void AddReference(string constraint, string column, string? referencedDatabase, string referencedTable, string referencedColumn)
    {
        if (References.Count == 0 || References[^1].Name != constraint)
        {
            References.Add(new Reference(constraint, referencedDatabase, referencedTable));
        }

        References[^1].Columns.Add(column);
        References[^1].ReferencedColumns.Add(referencedColumn);
    }

    public void SetRules(string constraint, string onDelete, string onUpdate)
    {
        if (References.Find(r => r.Name == constraint) is { } reference)
        {
            (reference.OnDelete, reference.OnUpdate) = (onDelete, onUpdate);
        }
    }

    /// <summary>Takes the rules from SHOW CREATE TABLE, which prints only those that are not the default.</summary>
    public void SetRulesFrom(string createTable)
    {
        foreach (Match match in ForeignKeyClause().Matches(createTable))
        {
            var quote = match.Groups["quote"].Value;
            var constraint = match.Groups["name"].Value.Replace(quote + quote, quote, StringComparison.Ordinal);
            SetRules(constraint, Rule(match.Groups["delete"]), Rule(match.Groups["update"]));
        }

        foreach (var unknown in References.Where(r => r.OnDelete is null))
        {
            throw new MigrationException(
                "SchemaUnreadable",
                MigrationErrorKind.PermissionDenied,
                $"The rules of the foreign key '{unknown.Name}' of table '{Name}' are not visible to this account. Grant it REFERENCES on the database, or use an account that may see them.",
                Name);
        }

        static string Rule(Group group) => group.Success ? group.Value : "RESTRICT";
    }

    public TableSchema ToSchema() => new()
    {
        Database = Database,
        Name = Name,
        Columns = [.. Columns],
        PrimaryKey = [.. KeyColumns(keys.Find(k => k.Name == "PRIMARY").Columns ?? [])],
        // A key with a functional part makes an expression unique, not columns.
        UniqueKeys = [.. keys.Where(k => k.Name != "PRIMARY" && !k.Columns.Contains(null)).Select(k => new UniqueKeySchema(k.Name, [.. KeyColumns(k.Columns)]))],
        PartialKeys = [.. PartialKeys],
        ForeignKeys = [.. References.Select(r => new ForeignKeySchema(r.Name, [.. r.Columns], r.Table, [.. r.ReferencedColumns], r.OnDelete!, r.OnUpdate!) { ReferencedDatabase = r.Database })],
        EstimatedRows = rows,
        AverageRowBytes = averageBytes,
        Engine = engine,
        SystemVersioned = systemVersioned,
    };

    private IEnumerable<string> KeyColumns(List<string?> columns) => columns.OfType<string>().Where(c => !PeriodColumns.Contains(c));

    [GeneratedRegex("""
        ^\s*CONSTRAINT\s(?<quote>[`"])(?<name>(?:\k<quote>{2}|(?!\k<quote>).)+)\k<quote>\sFOREIGN\sKEY\s.*?REFERENCES\s.*?\)(?:\sON\sDELETE\s(?<delete>CASCADE|SET\sNULL|SET\sDEFAULT|NO\sACTION|RESTRICT))?(?:\sON\sUPDATE\s(?<update>CASCADE|SET\sNULL|SET\sDEFAULT|NO\sACTION|RESTRICT))?,?\r?$
        """, RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex ForeignKeyClause();

    internal sealed class Reference(string name, string? database, string table)
    {
        public string Name { get; } = name;

        public string? Database { get; } = database;

        public string Table { get; } = table;

        public List<string> Columns { get; } = [];

        public List<string> ReferencedColumns { get; } = [];

        public string? OnDelete { get; set; }

        public string? OnUpdate { get; set; }
    }
}
