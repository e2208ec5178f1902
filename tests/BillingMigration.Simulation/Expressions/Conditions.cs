namespace BillingMigration.Simulation;

/// <summary>A condition on an item that may be absent.</summary>
internal abstract class Condition
{
    public abstract bool Holds(Item? item, Bindings bindings);

    /// <summary>Refuses operands that no item could make right, as DynamoDB does before it looks at an item.</summary>
    public abstract void Check(Bindings bindings);

    protected static ServiceError WrongOperand(string name) =>
        ServiceError.Invalid($"Invalid expression: Incorrect operand type for operator or function; operator or function: {name}");

    /// <summary>Refuses an operand that is the same path as the first one: the answer would not depend on the item.</summary>
    protected static void RequireDistinct(Operand first, IEnumerable<Operand> rest, Bindings bindings)
    {
        foreach (var other in rest)
        {
            if (first is PathOperand a && other is PathOperand b && a.Path.Resolve(bindings).SequenceEqual(b.Path.Resolve(bindings)))
            {
                throw ServiceError.Invalid("Invalid expression: The first operand must be distinct from the remaining operands for this operator or function");
            }
        }
    }
}

internal sealed class Junction(bool all, IReadOnlyList<Condition> parts) : Condition
{
    public bool All => all;

    public IReadOnlyList<Condition> Parts => parts;

    public override bool Holds(Item? item, Bindings bindings)
    {
        foreach (var part in parts)
        {
            if (part.Holds(item, bindings) != all)
            {
                return !all;
            }
        }

        return all;
    }

    public override void Check(Bindings bindings)
    {
        foreach (var part in parts)
        {
            part.Check(bindings);
        }
    }
}

internal sealed class Negation(Condition part) : Condition
{
    public override bool Holds(Item? item, Bindings bindings) => !part.Holds(item, bindings);

    public override void Check(Bindings bindings) => part.Check(bindings);
}

internal sealed class Comparison(Operand left, string symbol, Operand right) : Condition
{
    public Operand Left => left;

    public string Symbol => symbol;

    public Operand Right => right;

    public override bool Holds(Item? item, Bindings bindings) => Holds(left.Evaluate(item, bindings), symbol, right.Evaluate(item, bindings));

    public static bool Holds(ItemValue? left, string symbol, ItemValue? right)
    {
        // What is absent differs from everything, also from what is absent too, but is neither less nor more.
        if (left is null || right is null)
        {
            return symbol == "<>";
        }

        if (symbol is "=" or "<>")
        {
            return left.Equals(right) == (symbol == "=");
        }

        if (left.Kind != right.Kind || !left.IsScalar)
        {
            return false;
        }

        var order = ItemValue.Compare(left, right);
        return symbol switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };
    }

    public override void Check(Bindings bindings)
    {
        left.Check(bindings);
        right.Check(bindings);
        RequireDistinct(left, [right], bindings);
        if (symbol is not ("=" or "<>") && (left.Literal(bindings) is { IsScalar: false } || right.Literal(bindings) is { IsScalar: false }))
        {
            throw WrongOperand(symbol);
        }
    }
}

internal sealed class Between(Operand value, Operand low, Operand high) : Condition
{
    public Operand Value => value;

    public Operand Low => low;

    public Operand High => high;

    public override bool Holds(Item? item, Bindings bindings)
    {
        var found = value.Evaluate(item, bindings);
        return Comparison.Holds(found, ">=", low.Evaluate(item, bindings)) && Comparison.Holds(found, "<=", high.Evaluate(item, bindings));
    }

    public override void Check(Bindings bindings)
    {
        var (from, to) = (low.Literal(bindings), high.Literal(bindings));
        RequireDistinct(value, [low, high], bindings);
        foreach (var operand in new[] { value, low, high })
        {
            operand.Check(bindings);
            if (operand.Literal(bindings) is { IsScalar: false })
            {
                throw WrongOperand("BETWEEN");
            }
        }

        if (from is not null && to is not null && (from.Kind != to.Kind || ItemValue.Compare(from, to) > 0))
        {
            throw ServiceError.Invalid("Invalid expression: The BETWEEN operator requires bounds of one type, the upper one not less than the lower one");
        }
    }
}

internal sealed class Membership(Operand value, IReadOnlyList<Operand> candidates) : Condition
{
    public override bool Holds(Item? item, Bindings bindings) =>
        value.Evaluate(item, bindings) is { } found && candidates.Any(c => found.Equals(c.Evaluate(item, bindings)));

    public override void Check(Bindings bindings)
    {
        value.Check(bindings);
        RequireDistinct(value, candidates, bindings);
        if (candidates.Count > 100)
        {
            throw ServiceError.Invalid("Invalid expression: The IN operator has more than 100 operands");
        }
    }
}

internal sealed class FunctionCondition(string name, IReadOnlyList<Operand> arguments) : Condition
{
    private static readonly HashSet<string> Types = new(Enum.GetNames<ItemValueKind>(), StringComparer.Ordinal);

    public string Name => name;

    public IReadOnlyList<Operand> Arguments => arguments;

    public override bool Holds(Item? item, Bindings bindings)
    {
        var first = arguments[0].Evaluate(item, bindings);
        var second = arguments.Count > 1 ? arguments[1].Evaluate(item, bindings) : null;
        return name switch
        {
            "attribute_exists" => first is not null,
            "attribute_not_exists" => first is null,
            "attribute_type" => first is not null && first.Kind.ToString() == second?.Text,
            "begins_with" => first is not null && second is not null && BeginsWith(first, second),
            _ => first is not null && second is not null && Contains(first, second),
        };
    }

    public static bool BeginsWith(ItemValue value, ItemValue prefix) => value.Kind == prefix.Kind && value.Kind switch
    {
        ItemValueKind.S => value.Text.StartsWith(prefix.Text, StringComparison.Ordinal),
        ItemValueKind.B => value.Bytes.Span.StartsWith(prefix.Bytes.Span),
        _ => false,
    };

    public override void Check(Bindings bindings)
    {
        var wanted = name is "attribute_exists" or "attribute_not_exists" ? 1 : 2;
        if (arguments.Count != wanted)
        {
            throw ServiceError.Invalid($"Invalid expression: Incorrect number of operands for operator or function; operator or function: {name}");
        }

        if (name.StartsWith("attribute_", StringComparison.Ordinal) && arguments[0] is not PathOperand)
        {
            throw ServiceError.Invalid($"Invalid expression: Operator or function requires a document path; operator or function: {name}");
        }

        if (wanted == 2)
        {
            RequireDistinct(arguments[0], [arguments[1]], bindings);
        }

        if (name == "attribute_type" && !(arguments[1].Literal(bindings) is { Kind: ItemValueKind.S } type && Types.Contains(type.Text)))
        {
            throw WrongOperand(name);
        }

        if (name == "begins_with" && arguments.Any(a => a is SizeOperand || a.Literal(bindings) is { Kind: not (ItemValueKind.S or ItemValueKind.B) }))
        {
            throw WrongOperand(name);
        }
    }

    private static bool Contains(ItemValue value, ItemValue part) => value.Kind switch
    {
        ItemValueKind.S => part.Kind == ItemValueKind.S && value.Text.Contains(part.Text, StringComparison.Ordinal),
        ItemValueKind.B => part.Kind == ItemValueKind.B && value.Bytes.Span.IndexOf(part.Bytes.Span) >= 0,
        _ => value.Elements.Any(part.Equals),
    };
}
