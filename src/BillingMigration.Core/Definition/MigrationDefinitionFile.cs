using System.Collections.Immutable;

namespace BillingMigration.Definition;

/// <summary>One mistake in a definition.</summary>
/// <param name="Place">JSON path and, from a file, line and column: <c>$.entities[2].keys.pk (line 48)</c>.</param>
/// <param name="Problem">What is wrong, with the value.</param>
/// <param name="Remedy">What to write instead.</param>
public sealed record DefinitionProblem(string Place, string Problem, string Remedy)
{
    public override string ToString() => $"{Place}: {Problem} {Remedy}";
}

/// <summary>Reads <c>migration.json</c>: every mistake at once, each with place and remedy.</summary>
public static class MigrationDefinitionFile
{
    /// <exception cref="MigrationException"><c>DefinitionNotFound</c>, or <c>InvalidDefinition</c> with a <see cref="DefinitionProblem"/> list as its target.</exception>
    public static MigrationDefinition Load(string path) => throw new NotSupportedException();

    /// <summary>As <see cref="Load"/>, from text.</summary>
    public static MigrationDefinition Parse(string json, string? baseDirectory) => throw new NotSupportedException();

    /// <summary>Problems that reading alone would find; empty when the definition is good.</summary>
    public static ImmutableArray<DefinitionProblem> Check(string json) => throw new NotSupportedException();
}
