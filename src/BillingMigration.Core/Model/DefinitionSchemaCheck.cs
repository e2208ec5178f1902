using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>Compares a definition with the tables that are really there.</summary>
public static class DefinitionSchemaCheck
{
    /// <summary>Reports everything in which the definition and the source's tables do not agree.</summary>
    /// <param name="definition">A definition that <see cref="MigrationDefinitionFile"/> found good.</param>
    /// <param name="tables">Tables by name: those of the entities and of their lookups.</param>
    /// <param name="views">Names that are not tables but views.</param>
    public static ImmutableArray<DefinitionProblem> Check(MigrationDefinition definition, IReadOnlyDictionary<string, TableSchema> tables, IReadOnlySet<string>? views = null)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ArgumentNullException.ThrowIfNull(tables);
        views ??= ImmutableHashSet<string>.Empty;
        var problems = ImmutableArray.CreateBuilder<DefinitionProblem>();
        var attributes = new HashSet<string>(StringComparer.Ordinal) { "entity" };
        var complete = true;
        for (var i = 0; i < definition.Entities.Length; i++)
        {
            var entity = definition.Entities[i];
            var place = $"$.entities[{i.ToString(CultureInfo.InvariantCulture)}]";
            if (!tables.TryGetValue(entity.Table, out var table))
            {
                complete = false;
                problems.Add(MissingTable($"{place}.table", entity.Table, tables, views));
                continue;
            }

            new EntitySchemaCheck(definition, entity, table, tables, views, place, problems).Check();
            attributes.UnionWith(table.Columns.Select(c => EntitySchemaCheck.AttributeOf(entity, c.Name)));
        }

        if (complete)
        {
            CheckIncluded(definition, attributes, problems);
        }

        return definition.Places is { } places ? [.. problems.Select(p => p with { Place = places.Of(p.Place) })] : problems.ToImmutable();
    }

    /// <summary>Names of all tables that <see cref="Check"/> needs.</summary>
    public static IReadOnlyCollection<string> TablesOf(MigrationDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return definition.Entities.SelectMany(e => e.Lookups.Values.Select(l => l.Table).Prepend(e.Table)).ToHashSet(StringComparer.Ordinal);
    }

    internal static DefinitionProblem MissingTable(string place, string name, IReadOnlyDictionary<string, TableSchema> tables, IReadOnlySet<string> views) => views.Contains(name)
        ? new(place, $"'{name}' is a view: its rows are those of other tables, and the binlog names these.", "Name the table behind it; columns that are not wanted may be left out.")
        : new(
            place,
            $"The source has no table '{name}', or the account may not see it.",
            NameSuggestion.Nearest(name, tables.Keys.Where(t => t != name)) is { } nearest
                ? $"Did you mean '{nearest}'? Otherwise grant SELECT on it."
                : "Correct the name (case may matter), or grant SELECT on it.");

    internal static DefinitionProblem SystemVersioned(string place, TableSchema table) => new(
        place,
        $"The table '{table.Name}' is WITH SYSTEM VERSIONING: the binlog shows the rows of its history as rows like any other, and deleted rows as updated ones, so they would stand in the billing table as if they were live.",
        $"ALTER TABLE {table.Name} DROP SYSTEM VERSIONING (its history is lost), or migrate from a copy of the table without it.");

    private static void CheckIncluded(MigrationDefinition definition, HashSet<string> attributes, ImmutableArray<DefinitionProblem>.Builder problems)
    {
        for (var i = 0; i < definition.Indexes.Length; i++)
        {
            var include = definition.Indexes[i].Include ?? [];
            for (var j = 0; j < include.Length; j++)
            {
                if (!attributes.Contains(include[j]))
                {
                    problems.Add(new DefinitionProblem(
                        string.Create(CultureInfo.InvariantCulture, $"$.indexes[{i}].include[{j}]"),
                        $"No entity has an attribute '{include[j]}'.",
                        NameSuggestion.Remedy(include[j], attributes, "attribute")));
                }
            }
        }
    }
}
