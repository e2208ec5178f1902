using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using BillingMigration.Definition;

namespace BillingMigration.PowerShell;

/// <summary>Completes names of entities.</summary>
public sealed class EntityCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        NearDefinition.Complete(
            wordToComplete, commandAst, fakeBoundParameters, definition => definition.Entities.Select(e => (e.Entity, $"{e.Entity} from table {e.Table}")));
}

/// <summary>Completes names of views.</summary>
public sealed class ViewCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        NearDefinition.Complete(
            wordToComplete, commandAst, fakeBoundParameters, definition => definition.Views.Select(v => (v.Key, $"{v.Key} shows {string.Join(", ", v.Value.Columns.Keys)}")));
}

/// <summary>
/// The definition that a command line is about: of the session given or connected, else the one that the same pipeline connects, else
/// <c>migration.json</c> here.
/// </summary>
internal static class NearDefinition
{
    /// <summary>Names of the definition that begin with a word, each with its tip.</summary>
    public static CompletionResult[] Complete(string wordToComplete, CommandAst command, IDictionary bound, Func<MigrationDefinition, IEnumerable<(string Name, string Tip)>> names)
    {
        var word = wordToComplete.Trim('\'', '"');
        return Find(command, bound) is { } definition
            ? [.. names(definition).Where(n => n.Name.StartsWith(word, StringComparison.OrdinalIgnoreCase)).Select(n => new CompletionResult(n.Name, n.Name, CompletionResultType.ParameterValue, n.Tip))]
            : [];
    }

    private static MigrationDefinition? Find(CommandAst command, IDictionary bound)
    {
        var given = bound["Migration"] is PSObject wrapped ? wrapped.BaseObject : bound["Migration"];
        if (given is MigrationSession session)
        {
            return session.Definition;
        }

        var path = ConnectedPath(command);
        if (path is null && Sessions.Default is { } connected)
        {
            return connected.Definition;
        }

        return Load(path ?? "migration.json");
    }

    /// <summary>The path that Connect-BillingMigration opens earlier in the pipeline, where it stands as plain text.</summary>
    private static string? ConnectedPath(CommandAst command)
    {
        var connect = (command.Parent as PipelineAst)?.PipelineElements.OfType<CommandAst>()
            .FirstOrDefault(c => string.Equals(c.GetCommandName(), "Connect-BillingMigration", StringComparison.OrdinalIgnoreCase));
        if (connect is null)
        {
            return null;
        }

        return (StaticParameterBinder.BindCommand(connect).BoundParameters.TryGetValue("Path", out var path) ? path.ConstantValue as string : null)
            ?? "migration.json";
    }

    private static MigrationDefinition? Load(string path)
    {
        try
        {
            using var shell = System.Management.Automation.PowerShell.Create(RunspaceMode.CurrentRunspace);
            shell.AddScript("param($path) $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($path)").AddArgument(path);
            return MigrationDefinitionFile.Load(shell.Invoke<string>()[0]);
        }
        catch (Exception e) when (e is MigrationException or RuntimeException or IOException or UnauthorizedAccessException)
        {
            // Completion has nothing to offer; the command itself will say why.
            return null;
        }
    }
}
