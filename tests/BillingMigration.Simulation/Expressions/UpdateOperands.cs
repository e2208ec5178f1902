namespace BillingMigration.Simulation;

internal sealed class SumOperand(Operand left, bool minus, Operand right) : Operand
{
    public override ItemValue? Evaluate(Item? item, Bindings bindings)
    {
        if (left.Evaluate(item, bindings) is not { } first || right.Evaluate(item, bindings) is not { } second)
        {
            return null;
        }

        return first.Kind == ItemValueKind.N && second.Kind == ItemValueKind.N
            ? ItemValue.OfNumber(DynamoNumber.Add(first.Number, minus ? second.Number.Negate() : second.Number))
            : throw ServiceError.Invalid("An operand in the update expression has an incorrect data type");
    }

    public override void Check(Bindings bindings)
    {
        left.Check(bindings);
        right.Check(bindings);
        if (left.Literal(bindings) is { Kind: not ItemValueKind.N } || right.Literal(bindings) is { Kind: not ItemValueKind.N })
        {
            throw ServiceError.Invalid($"Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: {(minus ? "-" : "+")}");
        }
    }
}

internal sealed class FallbackOperand(DocumentPath path, Operand fallback) : Operand
{
    public override ItemValue? Evaluate(Item? item, Bindings bindings) => path.Find(item, bindings) ?? fallback.Evaluate(item, bindings);

    public override void Check(Bindings bindings) => fallback.Check(bindings);
}

internal sealed class AppendOperand(Operand first, Operand second) : Operand
{
    public override ItemValue? Evaluate(Item? item, Bindings bindings)
    {
        if (first.Evaluate(item, bindings) is not { } head || second.Evaluate(item, bindings) is not { } tail)
        {
            return null;
        }

        return head.Kind == ItemValueKind.L && tail.Kind == ItemValueKind.L
            ? ItemValue.OfList([.. head.Elements, .. tail.Elements])
            : throw ServiceError.Invalid("An operand in the update expression has an incorrect data type");
    }

    public override void Check(Bindings bindings)
    {
        first.Check(bindings);
        second.Check(bindings);
        if (first.Literal(bindings) is { Kind: not ItemValueKind.L } || second.Literal(bindings) is { Kind: not ItemValueKind.L })
        {
            throw ServiceError.Invalid("Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: list_append");
        }
    }
}
