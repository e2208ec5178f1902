using BillingMigration.Definition;
using BillingMigration.Source.Drafting;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>A first definition made from a live schema, as JSON text, with every guess explained.</summary>
/// <param name="Json">Text of <c>migration.json</c>. What nothing proves stands in it as a question, and it is refused until those are answered.</param>
/// <param name="Guesses">One sentence a guess, which begins with how sure it is (Certain, Likely, Open): which table became which entity and why, which parent, which index, which sensitive column.</param>
public sealed record DefinitionDraft(string Json, IReadOnlyList<string> Guesses)
{
    /// <summary>Looks at the source's tables and drafts a definition.</summary>
    /// <exception cref="MigrationException"><c>NoBillingTables</c> when no table looks like one of the six entities; the errors of connecting.</exception>
    public static async Task<DefinitionDraft> CreateAsync(
        string name, SourceDefinition source, SourceCredential credential, TargetDefinition target, CancellationToken cancellationToken)
    {
        var definition = new MigrationDefinition { Name = name, Source = source, Target = target, Entities = [] };
        await using var connections = await SourceConnections.OpenAsync(definition, credential, cancellationToken);
        await using var connection = await connections.OpenConnectionAsync(cancellationToken);
        return await CreateAsync(name, source, connection, target, cancellationToken);
    }

    /// <summary>As above, over a connection that is open already.</summary>
    public static async Task<DefinitionDraft> CreateAsync(
        string name, SourceDefinition source, MySqlConnection connection, TargetDefinition target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        var tables = await SchemaInspector.InspectAsync(connection, source.Database, [], cancellationToken);
        return await DraftComposer.ComposeAsync(name, source, target, tables, connection, cancellationToken);
    }
}
