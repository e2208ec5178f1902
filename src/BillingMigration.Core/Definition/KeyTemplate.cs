using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace BillingMigration.Definition;

/// <summary>One piece of a key template: a <see cref="KeyLiteral"/> or a <see cref="KeyColumn"/>.</summary>
public abstract record KeyPart;

public sealed record KeyLiteral(string Text) : KeyPart;

/// <summary>
/// <c>{column}</c>, <c>{lookup.column}</c>, <c>{column:D20}</c> (integer, zero-padded to 20 digits), <c>{column:yyyy-MM}</c> (the date cut to the
/// month; also <c>yyyy</c> and <c>yyyy-MM-dd</c>), <c>{column:collated}</c> (the text as its collation compares it), <c>{column%16}</c> (one of 16
/// shards, two digits).
/// </summary>
/// <param name="Lookup">Name of the lookup, or null for a column of the entity's own row.</param>
/// <param name="Column">Column name.</param>
/// <param name="Format"><c>D1</c> to <c>D20</c>, <c>yyyy</c>, <c>yyyy-MM</c>, <c>yyyy-MM-dd</c>, <c>collated</c>, or null.</param>
/// <param name="Shards">Number of shards, 2 to 1000, or null.</param>
public sealed record KeyColumn(string? Lookup, string Column, string? Format, int? Shards) : KeyPart
{
    public const string Collated = "collated";

    public bool IsCollated => Format == Collated;
}

/// <summary>The template of one key attribute, for example <c>CHARGE#{charged_at}#{charge_id:D20}</c>.</summary>
public sealed record KeyTemplate(string Text, ImmutableArray<KeyPart> Parts)
{
    public IEnumerable<KeyColumn> Columns => Parts.OfType<KeyColumn>();

    /// <summary>Reads a template.</summary>
    /// <exception cref="MigrationException"><c>InvalidKeyTemplate</c>.</exception>
    public static KeyTemplate Parse(string text) => TryParse(text, out var template, out var problem)
        ? template
        : throw new MigrationException("InvalidKeyTemplate", MigrationErrorKind.InvalidDefinition, $"{problem.Problem} {problem.Remedy}", text);

    /// <summary>Reads a template, or says what is wrong with it; the problem's place is left empty.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out KeyTemplate? template, [NotNullWhen(false)] out DefinitionProblem? problem)
    {
        problem = KeyTemplateParser.Parse(text, out var parts);
        template = problem is null ? new KeyTemplate(text, parts) : null;
        return problem is null;
    }

    // Two templates are the same when their texts are: an ImmutableArray compares by reference.
    public bool Equals(KeyTemplate? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;
}
