using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>Whether an entity's key templates fit its table: columns there, types fit, every row a key of its own.</summary>
internal sealed class KeySchemaCheck(
    EntityDefinition entity, TableSchema table, IReadOnlyDictionary<string, TableSchema> tables, string place, ImmutableArray<DefinitionProblem>.Builder problems)
{
    public void Check()
    {
        CheckTemplate(".pk", entity.PartitionKey, isBaseKey: true);
        CheckTemplate(".sk", entity.SortKey, isBaseKey: true);
        foreach (var (index, key) in entity.Indexes)
        {
            CheckAlternatives($".indexes.{index}.pk", key.PartitionKey);
            CheckAlternatives($".indexes.{index}.sk", key.SortKey);
        }

        CheckUniqueness();
    }

    private void CheckAlternatives(string at, ImmutableArray<KeyTemplate> templates)
    {
        for (var i = 0; i < templates.Length; i++)
        {
            CheckTemplate(templates.Length == 1 ? at : $"{at}[{i.ToString(CultureInfo.InvariantCulture)}]", templates[i], isBaseKey: false);
        }
    }

    private void CheckTemplate(string at, KeyTemplate template, bool isBaseKey)
    {
        foreach (var part in template.Columns.Distinct())
        {
            var owner = table;
            if (part.Lookup is not null && (!entity.Lookups.TryGetValue(part.Lookup, out var lookup) || !tables.TryGetValue(lookup.Table, out owner)))
            {
                // Reported where the lookup stands.
                continue;
            }

            if (owner.FindColumn(part.Column) is not { } column)
            {
                Add(at, $"The key template '{template}' uses the column '{part.Column}', which the table '{owner.Name}' does not have.", EntitySchemaCheck.Suggest(part.Column, owner));
                continue;
            }

            CheckType(at, template, part, column);
            CheckSensitive(at, template, part, column);
            if (isBaseKey)
            {
                CheckBaseKeyColumn(at, template, part, column);
            }
        }
    }

    private void CheckType(string at, KeyTemplate template, KeyColumn part, ColumnSchema column)
    {
        var named = $"The key template '{template}' uses '{part.Column}' of type {column.ColumnType}";
        if (!column.CanBeKey())
        {
            Add(at, $"{named}, which cannot be part of a key.", "Build the key from integers, decimals, dates, short texts, ENUMs or short binary columns.");
        }
        else if (part.Format is ['D', ..] && !column.IsInteger())
        {
            Add(at, $"{named} with the format {part.Format}, which is for integers.", $"Write {{{Reference(part)}}}.");
        }
        else if (part.Format is ['y', ..] && !column.IsDate())
        {
            Add(at, $"{named} with the format {part.Format}, which is for DATE, DATETIME and TIMESTAMP.", $"Write {{{Reference(part)}}}.");
        }
        else if (part.IsCollated && (!column.IsShortText() || CollationKey.Of(column) is null))
        {
            Add(at, $"The key template '{template}' uses {{{Reference(part)}:{KeyColumn.Collated}}}, but {CollationKey.WhyUnknown(column)}.", column.IsShortText()
                ? $"Write {{{Reference(part)}}} and have applications write equal texts alike, or give the column {table.Name}.{column.Name} a collation of those that docs/definition.md names."
                : $"Write {{{Reference(part)}}}.");
        }
        else if (part.Shards is not null && !column.CanBeSharded())
        {
            Add(at, $"{named} for shards, which are for integers, short texts and short binary columns.", "Take the shard from the primary key.");
        }
        else if (part.Format is ['D', .. var digits] && int.Parse(digits, CultureInfo.InvariantCulture) < MostDigits(column))
        {
            Add(
                at,
                $"{named} with {digits} digits, but its values can have {MostDigits(column).ToString(CultureInfo.InvariantCulture)}: longer ones would sort wrongly.",
                $"Write {{{Reference(part)}:D{MostDigits(column).ToString(CultureInfo.InvariantCulture)}}} or more.",
                DefinitionSeverity.Warning);
        }
    }

    private void CheckSensitive(string at, KeyTemplate template, KeyColumn part, ColumnSchema column)
    {
        if (part.Lookup is null && entity.Columns.TryGetValue(column.Name, out var rule) && rule.Sensitive)
        {
            Add(at, $"The key template '{template}' uses the sensitive column '{column.Name}': keys show in logs, metrics and errors.", "Build the key from another column, or remove \"sensitive\" if the value may be seen.");
        }
    }

    private void CheckBaseKeyColumn(string at, KeyTemplate template, KeyColumn part, ColumnSchema column)
    {
        if (column.Nullable)
        {
            Add(at, $"The key template '{template}' uses '{part.Column}', which may be NULL: such a row would have no key.", "Use a NOT NULL column; an index key may use nullable ones.");
        }

        if (column.UpdatedAutomatically)
        {
            Add(at, $"The key template '{template}' uses '{part.Column}', which the server changes with every change of the row.", "Use a column that keeps its value, such as the creation time.");
        }

        if (part.Lookup is not null && entity.Lookups.TryGetValue(part.Lookup, out var lookup))
        {
            foreach (var nullable in lookup.On.Keys.Where(c => table.FindColumn(c) is { Nullable: true }))
            {
                Add(at, $"The key template '{template}' follows '{nullable}', which may be NULL: such a row would have no key.", "Follow a foreign key whose columns are NOT NULL.");
            }
        }
        else if (column.ComparesByCollation() && part.Format is null)
        {
            CheckCollation(at, template, column);
        }
    }

    /// <summary>Texts that are equal to the source are to be one key.</summary>
    private void CheckCollation(string at, KeyTemplate template, ColumnSchema column)
    {
        var isKnown = CollationKey.Of(column) is not null;
        if (table.ForeignKeys.FirstOrDefault(k => k.Columns.Contains(column.Name, StringComparer.OrdinalIgnoreCase)) is { } key)
        {
            Add(
                at,
                $"The key template '{template}' uses the foreign key column '{column.Name}', whose collation {column.Collation} finds a parent written in other case too; the child would then lie in another partition.",
                isKnown
                    ? $"Write {{{column.Name}:{KeyColumn.Collated}}} here, and {KeyColumn.Collated} for the parent's column in the keys of '{key.ReferencedTable}' too."
                    : $"If that can be, add a lookup to '{key.ReferencedTable}' and use the parent's own column.",
                DefinitionSeverity.Warning);
        }
        else if (table.PrimaryKey.Contains(column.Name, StringComparer.OrdinalIgnoreCase) || table.UniqueKeys.Any(k => k.Columns.Contains(column.Name, StringComparer.OrdinalIgnoreCase)))
        {
            Add(
                at,
                $"The key template '{template}' uses '{column.Name}' of a primary or unique key, whose collation {column.Collation} takes different texts for equal: after the switch there could be two rows where the source allows one.",
                isKnown
                    ? $"Write {{{column.Name}:{KeyColumn.Collated}}}: texts that the source takes for equal are then one key."
                    : $"Have applications write equal texts alike: {CollationKey.WhyUnknown(column)}.",
                DefinitionSeverity.Warning);
        }
    }

    /// <summary>Two rows must never share a key: pk and sk together hold every column of the primary key, or of a unique key without NULLs.</summary>
    private void CheckUniqueness()
    {
        if (table.PrimaryKey.IsEmpty || !entity.HasReadableKey())
        {
            return;
        }

        var whole = entity.PartitionKey.Columns.Concat(entity.SortKey.Columns).Where(IsWhole).Select(c => c.Column).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var keys = table.UniqueKeys.Select(k => k.Columns).Where(k => k.All(c => table.FindColumn(c) is { Nullable: false })).Prepend(table.PrimaryKey);
        if (!keys.Any(key => key.All(whole.Contains)))
        {
            Add(
                ".sk",
                $"Two rows of '{table.Name}' could get the same key: '{entity.PartitionKey}' and '{entity.SortKey}' together hold neither the whole primary key ({string.Join(", ", table.PrimaryKey)}) nor another unique key.",
                $"Add {string.Join(" and ", table.PrimaryKey.Where(c => !whole.Contains(c)).Select(c => $"{{{c}}}"))} to the sort key, without shards or a date cut short.");
        }
    }

    private bool IsWhole(KeyColumn part) => part is { Lookup: null, Shards: null } && part.Format switch
    {
        null or ['D', ..] or KeyColumn.Collated => true,
        "yyyy-MM-dd" => table.FindColumn(part.Column) is { DataType: "date" },
        _ => false,
    };

    private static int MostDigits(ColumnSchema column) => (column.DataType, column.Unsigned) switch
    {
        ("tinyint", _) => 3,
        ("smallint", _) => 5,
        ("mediumint", true) => 8,
        ("mediumint", false) => 7,
        ("int", _) => 10,
        ("bigint", true) => 20,
        _ => 19,
    };

    private static string Reference(KeyColumn part) => part.Lookup is null ? part.Column : $"{part.Lookup}.{part.Column}";

    private void Add(string at, string problem, string remedy, DefinitionSeverity severity = DefinitionSeverity.Error) =>
        problems.Add(new DefinitionProblem(place + at, problem, remedy, severity));
}
