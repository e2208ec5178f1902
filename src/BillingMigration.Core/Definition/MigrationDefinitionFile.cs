using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace BillingMigration.Definition;

public enum DefinitionSeverity
{
    /// <summary>Nothing starts before it is put right.</summary>
    Error,

    /// <summary>Works, but may not be what is wanted.</summary>
    Warning,
}

/// <summary>One mistake in a definition.</summary>
/// <param name="Place">JSON path and, from a file, line: <c>$.entities[2].pk (line 48)</c>.</param>
/// <param name="Problem">What is wrong, with the value.</param>
/// <param name="Remedy">What to write instead.</param>
/// <param name="Severity">Whether it stops the migration.</param>
public sealed record DefinitionProblem(string Place, string Problem, string Remedy, DefinitionSeverity Severity = DefinitionSeverity.Error)
{
    public override string ToString() => $"{Place}: {Problem} {Remedy}";
}

/// <summary>Reads <c>migration.json</c> and reports every mistake in it at once.</summary>
public static class MigrationDefinitionFile
{
    /// <exception cref="MigrationException"><c>DefinitionNotFound</c>, <c>DefinitionUnreadable</c>, or <c>InvalidDefinition</c> with a <see cref="DefinitionProblem"/> list as its target.</exception>
    public static MigrationDefinition Load(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var full = Path.GetFullPath(path);
        string json;
        try
        {
            json = File.ReadAllText(full);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new MigrationException(
                "DefinitionNotFound",
                MigrationErrorKind.NotFound,
                $"There is no definition file '{full}'. Name an existing file with -Path, or write a first one with New-BillingMigrationDefinition.",
                full,
                e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MigrationException(
                "DefinitionUnreadable",
                e is UnauthorizedAccessException ? MigrationErrorKind.PermissionDenied : MigrationErrorKind.Unexpected,
                $"The definition file '{full}' cannot be read: {ErrorText.Sentence(e)} Give this account read access to it, or name another file with -Path.",
                full,
                e);
        }

        return Parse(json, Path.GetDirectoryName(full), Path.GetFileName(full));
    }

    /// <summary>As <see cref="Load"/>, from text.</summary>
    public static MigrationDefinition Parse(string json, string? baseDirectory) => Parse(json, baseDirectory, "migration.json");

    /// <summary>Problems that reading alone would find; empty when the definition is good.</summary>
    public static ImmutableArray<DefinitionProblem> Check(string json) => Read(json, null).Problems;

    private static MigrationDefinition Parse(string json, string? baseDirectory, string fileName)
    {
        var (definition, problems) = Read(json, baseDirectory);
        return definition is not null && problems.IsEmpty ? definition : throw Invalid(fileName, problems);
    }

    /// <summary>The error that tells all problems of a definition, one a line.</summary>
    internal static MigrationException Invalid(string fileName, ImmutableArray<DefinitionProblem> problems)
    {
        var count = problems.Length == 1 ? "one mistake" : string.Create(CultureInfo.InvariantCulture, $"{problems.Length} mistakes");
        return new MigrationException(
            "InvalidDefinition",
            MigrationErrorKind.InvalidDefinition,
            string.Join('\n', problems.Select(p => p.ToString()).Prepend($"{fileName} has {count}:")),
            problems);
    }

    private static (MigrationDefinition? Definition, ImmutableArray<DefinitionProblem> Problems) Read(string json, string? baseDirectory)
    {
        ArgumentNullException.ThrowIfNull(json);
        DefinitionNode root;
        try
        {
            root = DefinitionNode.Parse(json);
        }
        catch (JsonException e)
        {
            // System.Text.Json counts lines and bytes from 0 and repeats them at the end of its message.
            var line = (e.LineNumber ?? 0) + 1;
            var reason = Unquoted(e.Message.Split(" LineNumber:")[0].Split(" Path:")[0].TrimEnd('.'));
            return (null, [new DefinitionProblem(
                string.Create(CultureInfo.InvariantCulture, $"$ (line {line}, column {(e.BytePositionInLine ?? 0) + 1})"),
                $"This is not JSON: {reason}.",
                "Look at this place and just before it for a missing or doubled comma, quote or bracket; comments and trailing commas are allowed.")]);
        }

        var problems = new DefinitionProblems();
        var definition = new DefinitionBuilder(problems, baseDirectory).Build(root);
        if (definition is not null)
        {
            new DefinitionRules(definition, root, problems).Check();
        }

        return (definition, problems.InOrder());
    }

    /// <summary>Of a file that is something else its whole text is quoted, and a password may stand in it.</summary>
    private static string Unquoted(string reason) =>
        reason.LastIndexOf('\'', Math.Max(reason.LastIndexOf("' is an invalid", StringComparison.Ordinal), 0)) is > 2 and var end ? "a word" + reason[(end + 1)..] : reason;
}
