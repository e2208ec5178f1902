using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using BillingMigration.Definition;

namespace BillingMigration.PowerShell;

/// <summary>
/// Completes names of entities: from the session given or connected, else from the definition that the same pipeline connects, else from
/// <c>migration.json</c> here.
/// </summary>
public sealed class EntityCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var word = wordToComplete.Trim('\'', '"');
        return Find(commandAst, fakeBoundParameters)?.Entities
            .Where(e => e.Entity.StartsWith(word, StringComparison.OrdinalIgnoreCase))
            .Select(e => new CompletionResult(e.Entity, e.Entity, CompletionResultType.ParameterValue, $"{e.Entity} from table {e.Table}"))
            .ToArray() ?? [];
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
