using System.Collections.Immutable;
using BillingMigration.Definition;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>Whether a definition fits the tables that the source has now.</summary>
/// <param name="Tables">Those of its entities and lookups.</param>
/// <param name="Warnings">What fits and deserves a look.</param>
internal sealed record DefinitionFit(IReadOnlyDictionary<string, TableSchema> Tables, ImmutableArray<DefinitionProblem> Warnings)
{
    /// <exception cref="MigrationException">
    /// <c>SourceTableNotFound</c>, <c>SystemVersionedTable</c>, and where there is more, or something else, <c>DefinitionDoesNotFitSource</c> with all of it.
    /// </exception>
    public static async Task<DefinitionFit> RequireAsync(MySqlConnection connection, MigrationDefinition definition, CancellationToken cancellationToken)
    {
        var names = BillingModel.TablesOf(definition);
        var tables = await SchemaInspector.InspectAsync(connection, definition.Source.Database, names, cancellationToken);
        var missing = names.Where(t => !tables.ContainsKey(t)).ToArray();
        var views = missing.Length == 0 ? [] : await SchemaInspector.ViewsAsync(connection, definition.Source.Database, missing, cancellationToken);
        var problems = DefinitionSchemaCheck.Check(definition, tables, views);
        var errors = problems.Where(p => p.Severity == DefinitionSeverity.Error).ToArray();
        var versioned = tables.Values.Where(t => t.SystemVersioned).ToArray();
        return errors.Length == 0 ? new DefinitionFit(tables, [.. problems])
            : errors.Length == missing.Length && views.Count == 0 ? throw TablesNotVisible(definition.Source, missing, errors)
            : errors.Length == 1 && versioned.Length == 1 ? throw SystemVersioned(versioned[0])
            : throw Misfit(definition.Name, errors);
    }

    private static MigrationException Misfit(string name, IReadOnlyCollection<DefinitionProblem> problems) => new(
        "DefinitionDoesNotFitSource", MigrationErrorKind.InvalidDefinition, $"The definition {name} does not fit the source's schema:{Lines(problems)}", problems.Select(p => p.ToString()).ToArray());

    private static MigrationException SystemVersioned(TableSchema table)
    {
        var problem = DefinitionSchemaCheck.SystemVersioned("", table);
        return new("SystemVersionedTable", MigrationErrorKind.WrongState, $"{problem.Problem} {problem.Remedy}", table.Name);
    }

    private static MigrationException TablesNotVisible(SourceDefinition source, string[] tables, IReadOnlyCollection<DefinitionProblem> problems) => new(
        "SourceTableNotFound", MigrationErrorKind.NotFound,
        $"The source account does not see {string.Join(", ", tables)} in the database {source.Database} on {source.Host}. Correct the names in migration.json, or GRANT SELECT on them to the account.{Lines(problems)}", tables[0]);

    private static string Lines(IEnumerable<DefinitionProblem> problems) => string.Concat(problems.Select(p => $"{Environment.NewLine}  {p}"));
}
