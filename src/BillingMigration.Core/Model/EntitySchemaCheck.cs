using System.Collections.Immutable;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>Compares one entity with its table: columns, conditions and lookups here, key templates in <see cref="KeySchemaCheck"/>.</summary>
internal sealed class EntitySchemaCheck(
    MigrationDefinition definition,
    EntityDefinition entity,
    TableSchema table,
    IReadOnlyDictionary<string, TableSchema> tables,
    IReadOnlySet<string> views,
    string place,
    ImmutableArray<DefinitionProblem>.Builder problems)
{
    public void Check()
    {
        CheckTable();
        CheckColumns();
        CheckEncryption();
        CheckAttributes();
        CheckConditions();
        foreach (var (name, lookup) in entity.Lookups)
        {
            CheckLookup($"{place}.lookups.{name}", lookup);
        }

        CheckChildrenAreFound();

        new KeySchemaCheck(entity, table, tables, place, problems).Check();
    }

    public static string AttributeOf(EntityDefinition entity, string column) =>
        entity.Columns.TryGetValue(column, out var rule) && rule.Attribute is { } attribute ? attribute : column;

    private void CheckTable()
    {
        if (table.SystemVersioned)
        {
            problems.Add(DefinitionSchemaCheck.SystemVersioned(place + ".table", table));
        }

        if (table.PrimaryKey.IsEmpty)
        {
            Add(".table", $"The table '{table.Name}' has no primary key, by which its rows are read in ranges, gone on from and followed; a unique key does not take its place.", "Give it one (a unique key without NULLs can become it: ALTER TABLE … ADD PRIMARY KEY), or leave the entity out.");
        }

        foreach (var excluded in table.PrimaryKey.Where(c => entity.Columns.TryGetValue(c, out var rule) && rule.Exclude))
        {
            Add($".columns.{excluded}.exclude", $"The column '{excluded}' is part of the primary key: without it no item leads back to its row.", "Migrate the column.");
        }
    }

    private void CheckEncryption()
    {
        foreach (var column in table.PrimaryKey.Where(IsEncrypted))
        {
            Add($".columns.{column}.encrypt", $"The column '{column}' is part of the primary key, by which rows are named in messages, checkpoints and reports.", "Do not encrypt it.");
        }

        foreach (var key in table.UniqueKeys.Where(k => k.Columns.Any(IsEncrypted)))
        {
            Add(
                $".columns.{key.Columns.First(IsEncrypted)}.encrypt",
                $"The column '{key.Columns.First(IsEncrypted)}' is part of the unique key '{key.Name}': that no two rows share a value can be kept in DynamoDB only with the value in a key.",
                "Do not encrypt it.");
        }
    }

    private bool IsEncrypted(string column) => entity.Columns.TryGetValue(column, out var rule) && rule.Encrypt;

    private void CheckColumns()
    {
        foreach (var (name, rule) in entity.Columns)
        {
            if (table.FindColumn(name) is not { } column)
            {
                Add($".columns.{name}", $"The table '{table.Name}' has no column '{name}'.", Suggest(name, table));
                continue;
            }

            var sense = rule.Type switch
            {
                AttributeType.N => column.IsNumeric(),
                AttributeType.S => !column.IsBinary(),
                AttributeType.B => column.IsBinary() || column.DataType == "bit",
                _ => true,
            };
            if (!sense)
            {
                Add($".columns.{name}.type", $"A column of type {column.ColumnType} cannot become an attribute of type {rule.Type}.", "Remove \"type\": N is for numbers, S for numbers and texts, B for binary columns.");
            }

            if (rule.Exclude && column is { HasDefault: false, AutoIncrement: false, Generated: GeneratedColumn.No })
            {
                Add($".columns.{name}.exclude", $"The column '{name}' is excluded, NOT NULL and without a default: the way back could not insert a row.", "Give the column a default, or migrate it.", DefinitionSeverity.Warning);
            }
        }
    }

    private void CheckAttributes()
    {
        var reserved = DefinitionRules.ReservedAttributes(definition);
        var seen = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var column in table.Columns.Where(c => !(entity.Columns.TryGetValue(c.Name, out var rule) && rule.Exclude)))
        {
            var attribute = AttributeOf(entity, column.Name);
            if (reserved.Contains(attribute))
            {
                Add(".columns", $"The column '{column.Name}' would become the attribute '{attribute}', which is the migration's own.", $"Rename it: \"{column.Name}\": {{ \"attribute\": \"…\" }}.");
            }
            else if (!seen.TryAdd(attribute, column.Name))
            {
                Add(".columns", $"The columns '{seen[attribute]}' and '{column.Name}' would both become the attribute '{attribute}'.", "Give one of them another \"attribute\".");
            }
        }
    }

    private void CheckConditions()
    {
        foreach (var (index, key) in entity.Indexes.Where(i => i.Value.When is not null))
        {
            var at = $".indexes.{index}.when";
            var when = key.When!;
            if (table.FindColumn(when.Column) is not { } column)
            {
                Add($"{at}.column", $"The table '{table.Name}' has no column '{when.Column}'.", Suggest(when.Column, table));
            }
            else if (!column.CanBeKey())
            {
                Add($"{at}.column", $"A condition cannot look at the column '{column.Name}' of type {column.ColumnType}.", "Use a column with short values, such as a status.");
            }
            else if (column.DataType == "enum")
            {
                // The dictionary shows a character beyond U+FFFF as '?': such a member cannot be compared.
                foreach (var value in when.In.Where(v => !column.Members.Contains(v) && !column.Members.Any(m => m.Contains('?', StringComparison.Ordinal))))
                {
                    Add($"{at}.in", $"'{value}' is no member of {table.Name}.{column.Name}.", NameSuggestion.Remedy(value, column.Members, "member"));
                }
            }
        }
    }

    private void CheckLookup(string at, LookupDefinition lookup)
    {
        if (!tables.TryGetValue(lookup.Table, out var parent))
        {
            problems.Add(DefinitionSchemaCheck.MissingTable($"{at}.table", lookup.Table, tables, views));
            return;
        }

        if (parent.SystemVersioned)
        {
            problems.Add(DefinitionSchemaCheck.SystemVersioned($"{at}.table", parent));
        }

        var missing = lookup.On.Where(on => table.FindColumn(on.Key) is null).Select(on => (Column: on.Key, Table: table))
            .Concat(lookup.On.Where(on => parent.FindColumn(on.Value) is null).Select(on => (Column: on.Value, Table: parent))).ToList();
        foreach (var (column, owner) in missing)
        {
            problems.Add(new DefinitionProblem($"{at}.on", $"The table '{owner.Name}' has no column '{column}'.", Suggest(column, owner)));
        }

        if (missing.Count > 0)
        {
            return;
        }

        var keys = parent.UniqueKeys.Select(k => k.Columns).Prepend(parent.PrimaryKey).Where(k => !k.IsEmpty);
        if (!keys.Any(key => key.All(c => lookup.On.Values.Contains(c, StringComparer.OrdinalIgnoreCase))))
        {
            problems.Add(new DefinitionProblem($"{at}.on", $"The columns {string.Join(", ", lookup.On.Values)} are not unique in '{parent.Name}': a row could refer to several.", "Join on the parent's primary key or on a unique key."));
        }

        var toParent = table.ForeignKeys.Where(k => k.ReferencedDatabase is null && SameName(k.ReferencedTable, parent.Name)).ToList();
        if (!toParent.Any(key => Matches(key, lookup)))
        {
            var there = toParent.Count == 0 ? $"'{table.Name}' has no foreign key to '{parent.Name}'." : $"Foreign keys there: {string.Join("; ", toParent.Select(k => string.Join(", ", k.Columns.Zip(k.ReferencedColumns, (c, p) => $"{c} -> {p}"))))}.";
            problems.Add(new DefinitionProblem($"{at}.on", $"No foreign key guarantees that a row of '{table.Name}' has its row in '{parent.Name}' by these columns. {there}", "Join on the columns of a foreign key, or add one to the source."));
        }
    }

    /// <summary>Rows that change with another row, unseen by the binlog, must be found in the table without reading all of it.</summary>
    private void CheckChildrenAreFound()
    {
        foreach (var way in ChildKeys.Unfound(entity, table))
        {
            Add(
                ".indexes",
                $"Rows of '{table.Name}' change with their row of '{way.Parent}' {way.By}, which the binlog need not tell, and no key finds all rows of one {way.Parent}: only a read of the whole table would.",
                $"Add an index whose partition key is made of {string.Join(" and ", way.Columns)} alone, for example \"pk\": \"{way.Parent.ToUpperInvariant()}#{string.Join('#', way.Columns.Select(c => $"{{{c}}}"))}\", \"sk\": \"{entity.SortKey.Text}\", with columns that are NOT NULL in its sort key and without \"when\".");
        }
    }

    private static bool Matches(ForeignKeySchema key, LookupDefinition lookup) =>
        key.Columns.Length == lookup.On.Count
        && key.Columns.Zip(key.ReferencedColumns).All(pair => lookup.On.TryGetValue(pair.First, out var parent) && SameName(parent, pair.Second));

    internal static bool SameName(string a, string b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);

    internal static string Suggest(string column, TableSchema table) => NameSuggestion.Remedy(column, [.. table.Columns.Select(c => c.Name)], "column");

    private void Add(string at, string problem, string remedy, DefinitionSeverity severity = DefinitionSeverity.Error) =>
        problems.Add(new DefinitionProblem(place + at, problem, remedy, severity));
}
