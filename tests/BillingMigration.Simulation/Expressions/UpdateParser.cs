namespace BillingMigration.Simulation;

/// <summary>Parses update expressions: each of SET, REMOVE, ADD and DELETE at most once.</summary>
internal sealed class UpdateParser : ExpressionParser
{
    private UpdateParser(string text)
        : base(text)
    {
    }

    public static ParsedUpdate Update(string text)
    {
        var parser = new UpdateParser(text);
        var actions = new List<UpdateAction>();
        var seen = new HashSet<UpdateKind>();
        do
        {
            var kind = parser.ReadKind();
            if (!seen.Add(kind))
            {
                throw ServiceError.Invalid($"Invalid UpdateExpression: The \"{kind}\" section can only be used once in an update expression;");
            }

            actions.AddRange(parser.ReadList(() => parser.ReadAction(kind)));
        }
        while (parser.Current.Kind != TokenKind.End);

        return new ParsedUpdate(actions) { Placeholders = parser.Placeholders };
    }

    private UpdateKind ReadKind() =>
        Current.Kind == TokenKind.Name && Enum.TryParse<UpdateKind>(Current.Text, ignoreCase: true, out var kind) && Take().Text.Length > 0 ? kind : throw Unexpected();

    private UpdateAction ReadAction(UpdateKind kind)
    {
        CountOperator();
        var path = ReadPath();
        switch (kind)
        {
            case UpdateKind.Set:
                Require("=");
                return new UpdateAction(kind, path, ReadSum());
            case UpdateKind.Remove:
                return new UpdateAction(kind, path, null);
            default:
                return new UpdateAction(kind, path, ReadValue());
        }
    }

    private Operand ReadSum()
    {
        var left = ReadTerm();
        if (!Current.Is("+") && !Current.Is("-"))
        {
            return left;
        }

        CountOperator();
        var minus = Take().Text == "-";
        return new SumOperand(left, minus, ReadTerm());
    }

    private Operand ReadTerm()
    {
        if (TryTake("("))
        {
            return ReadInside(ReadSum);
        }

        if (!IsFunction)
        {
            return Current.Kind == TokenKind.Value ? ReadValue() : new PathOperand(ReadPath());
        }

        CountOperator();
        var name = Take().Text;
        Require("(");
        Operand result;
        switch (name)
        {
            case "if_not_exists":
                var path = ReadPath();
                Require(",");
                result = new FallbackOperand(path, ReadTerm());
                break;
            case "list_append":
                var first = ReadTerm();
                Require(",");
                result = new AppendOperand(first, ReadTerm());
                break;
            default:
                throw ServiceError.Invalid($"Invalid UpdateExpression: Invalid function name; function: {name}");
        }

        Require(")");
        return result;
    }
}
