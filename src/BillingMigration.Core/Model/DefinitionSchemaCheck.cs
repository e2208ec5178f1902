using System.Collections.Immutable;
using BillingMigration.Definition;
namespace BillingMigration.Model;
public static class DefinitionSchemaCheck { public static ImmutableArray<DefinitionProblem> Check(MigrationDefinition d, IReadOnlyDictionary<string, TableSchema> t) => []; }
