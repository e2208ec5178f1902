namespace BillingMigration.Simulation;

/// <summary>A parsed expression and the placeholders it uses. It holds no values, so that a text is parsed once for all requests.</summary>
internal abstract class Parsed
{
    public required IReadOnlyCollection<string> Placeholders { get; init; }
}

internal sealed class ParsedCondition(Condition condition) : Parsed
{
    public Condition Condition => condition;
}

internal sealed class ParsedProjection(IReadOnlyList<DocumentPath> paths) : Parsed
{
    public IReadOnlyList<DocumentPath> Paths => paths;
}

internal sealed class ParsedUpdate(IReadOnlyList<UpdateAction> actions) : Parsed
{
    public IReadOnlyList<UpdateAction> Actions => actions;
}

internal enum UpdateKind
{
    Set,
    Remove,
    Add,
    Delete,
}

/// <summary>One action of an update expression; a removal has no operand.</summary>
internal sealed record UpdateAction(UpdateKind Kind, DocumentPath Path, Operand? Operand);
