using BillingMigration.Definition;

namespace BillingMigration.Source;

/// <summary>A first definition made from a live schema, as JSON text, with every guess explained.</summary>
/// <param name="Json">Text of <c>migration.json</c>.</param>
/// <param name="Guesses">One sentence a guess: which table became which entity and why, which parent, which index, which sensitive column.</param>
public sealed record DefinitionDraft(string Json, IReadOnlyList<string> Guesses)
{
    /// <summary>Looks at the source's tables and drafts a definition.</summary>
    public static Task<DefinitionDraft> CreateAsync(
        string name, SourceDefinition source, SourceCredential credential, TargetDefinition target, CancellationToken cancellationToken) => throw new NotSupportedException();
}
