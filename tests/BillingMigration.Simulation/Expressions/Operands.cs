namespace BillingMigration.Simulation;

/// <summary>One step of a document path: a name (or its placeholder), or an index into a list.</summary>
internal readonly record struct PathStep(string? Name, int Index);

/// <summary>Where in an item a value is.</summary>
internal sealed class DocumentPath(PathStep[] steps)
{
    public PathStep[] Steps => steps;

    public bool IsTopLevel => steps.Length == 1;

    public ItemValue? Find(Item? item, Bindings bindings)
    {
        if (item is null || !item.Attributes.TryGetValue(bindings.Name(steps[0].Name!), out var value))
        {
            return null;
        }

        for (var i = 1; i < steps.Length && value is not null; i++)
        {
            value = Step(value, steps[i], bindings);
        }

        return value;
    }

    public string[] Resolve(Bindings bindings) => steps.Select(s => s.Name is null ? $"[{s.Index}]" : "." + bindings.Name(s.Name)).ToArray();

    /// <summary>Refuses paths of which one is inside another, or that take one place for a list and a map.</summary>
    public static void RequireApart(IReadOnlyList<DocumentPath> paths, Bindings bindings)
    {
        var resolved = paths.Select(p => p.Resolve(bindings)).ToArray();
        for (var i = 0; i < resolved.Length; i++)
        {
            for (var j = i + 1; j < resolved.Length; j++)
            {
                var common = resolved[i].Zip(resolved[j]).TakeWhile(s => s.First == s.Second).Count();
                if (common == Math.Min(resolved[i].Length, resolved[j].Length) || resolved[i][common][0] != resolved[j][common][0])
                {
                    throw ServiceError.Invalid("Invalid expression: Two document paths overlap or conflict with each other");
                }
            }
        }
    }

    private static ItemValue? Step(ItemValue value, PathStep step, Bindings bindings) => step.Name is null
        ? value.Kind == ItemValueKind.L && step.Index < value.Elements.Count ? value.Elements[step.Index] : null
        : value.Kind == ItemValueKind.M && value.Members.TryGetValue(bindings.Name(step.Name), out var member) ? member : null;
}

/// <summary>What a condition compares or an update computes from.</summary>
internal abstract class Operand
{
    public abstract ItemValue? Evaluate(Item? item, Bindings bindings);

    /// <summary>The value of an operand that is written in the request.</summary>
    public virtual ItemValue? Literal(Bindings bindings) => null;

    public virtual void Check(Bindings bindings)
    {
    }
}

internal sealed class PathOperand(DocumentPath path) : Operand
{
    public DocumentPath Path => path;

    public override ItemValue? Evaluate(Item? item, Bindings bindings) => path.Find(item, bindings);
}

internal sealed class ValueOperand(string placeholder) : Operand
{
    public string Placeholder => placeholder;

    public override ItemValue? Evaluate(Item? item, Bindings bindings) => bindings.Value(placeholder);

    public override ItemValue Literal(Bindings bindings) => bindings.Value(placeholder);
}

internal sealed class SizeOperand(Operand of) : Operand
{
    public override ItemValue? Evaluate(Item? item, Bindings bindings) => of.Evaluate(item, bindings) is { } value && Count(value) is { } size
        ? ItemValue.OfNumber(size.ToString(System.Globalization.CultureInfo.InvariantCulture))
        : null;

    public override void Check(Bindings bindings)
    {
        if (of.Literal(bindings) is { } literal && Count(literal) is null)
        {
            throw ServiceError.Invalid("Invalid expression: Incorrect operand type for operator or function; operator or function: size");
        }
    }

    private static int? Count(ItemValue value) => value.Kind switch
    {
        ItemValueKind.S => value.Text.Length,
        ItemValueKind.B => value.Bytes.Length,
        ItemValueKind.M => value.Members.Count,
        ItemValueKind.N or ItemValueKind.BOOL or ItemValueKind.NULL => null,
        _ => value.Elements.Count,
    };
}
