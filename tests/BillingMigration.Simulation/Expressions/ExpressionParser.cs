namespace BillingMigration.Simulation;

/// <summary>A recursive descent parser of DynamoDB's condition and projection expressions; <see cref="UpdateParser"/> adds updates.</summary>
internal class ExpressionParser
{
    private const int MaxLength = 4096;
    private const int MaxOperators = 300;
    private static readonly HashSet<string> Functions =
        new(["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"], StringComparer.Ordinal);

    private static readonly HashSet<string> Comparators = new(["=", "<>", "<", "<=", ">", ">="], StringComparer.Ordinal);
    private readonly List<Token> tokens;
    private int position;
    private int operators;
    private int depth;
    private bool justClosed;

    protected ExpressionParser(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw ServiceError.Invalid("Invalid expression: The expression can not be empty;");
        }

        if (System.Text.Encoding.UTF8.GetByteCount(text) > MaxLength)
        {
            throw ServiceError.Invalid("Invalid expression: Expression size has exceeded the maximum allowed size;");
        }

        tokens = ExpressionLexer.Read(text);
    }

    protected HashSet<string> Placeholders { get; } = new(StringComparer.Ordinal);

    protected Token Current => tokens[position];

    public static ParsedCondition Condition(string text)
    {
        var parser = new ExpressionParser(text);
        var condition = parser.ReadOr();
        parser.RequireEnd();
        return new ParsedCondition(condition) { Placeholders = parser.Placeholders };
    }

    public static ParsedProjection Projection(string text)
    {
        var parser = new ExpressionParser(text);
        var paths = parser.ReadList(parser.ReadPath);
        parser.RequireEnd();
        return new ParsedProjection(paths) { Placeholders = parser.Placeholders };
    }

    protected void RequireEnd()
    {
        if (Current.Kind != TokenKind.End)
        {
            throw Unexpected();
        }
    }

    protected Token Take() => tokens[position++];

    protected bool TryTake(string symbol)
    {
        var found = Current.Is(symbol);
        position += found ? 1 : 0;
        return found;
    }

    protected void Require(string symbol)
    {
        if (!TryTake(symbol))
        {
            throw Unexpected();
        }
    }

    protected ServiceError Unexpected() => ServiceError.Invalid($"Invalid expression: Syntax error; token: \"{(Current.Kind == TokenKind.End ? "<EOF>" : Current.Text)}\"");

    protected void CountOperator()
    {
        if (++operators > MaxOperators)
        {
            throw ServiceError.Invalid($"Invalid expression: The expression contains too many operators; the limit is {MaxOperators}");
        }
    }

    /// <summary>Bounds the recursion: parentheses deeper than this would need more operators than an expression may have, or are redundant.</summary>
    protected T ReadInside<T>(Func<T> read)
    {
        if (++depth > MaxOperators)
        {
            throw ServiceError.Invalid("Invalid expression: The expression has redundant parentheses;");
        }

        var inner = read();
        depth--;
        Require(")");
        return inner;
    }

    protected List<T> ReadList<T>(Func<T> read)
    {
        var list = new List<T> { read() };
        while (TryTake(","))
        {
            list.Add(read());
        }

        return list;
    }

    protected bool IsFunction => Current.Kind == TokenKind.Name && tokens[position + 1].Is("(");

    protected DocumentPath ReadPath()
    {
        var steps = new List<PathStep> { ReadName() };
        while (true)
        {
            if (TryTake("."))
            {
                steps.Add(ReadName());
            }
            else if (TryTake("["))
            {
                steps.Add(Current.Kind == TokenKind.Number && int.TryParse(Take().Text, out var index) ? new PathStep(null, index) : throw Unexpected());
                Require("]");
            }
            else
            {
                return new DocumentPath([.. steps]);
            }
        }
    }

    protected ValueOperand ReadValue()
    {
        if (Current.Kind != TokenKind.Value)
        {
            throw Unexpected();
        }

        Placeholders.Add(Current.Text);
        return new ValueOperand(Take().Text);
    }

    private PathStep ReadName()
    {
        if (Current.Kind == TokenKind.Placeholder)
        {
            Placeholders.Add(Current.Text);
            return new PathStep(Take().Text, 0);
        }

        if (Current.Kind != TokenKind.Name)
        {
            throw Unexpected();
        }

        return ReservedWords.Contains(Current.Text)
            ? throw ServiceError.Invalid($"Invalid expression: Attribute name is a reserved keyword; reserved keyword: {Current.Text}")
            : new PathStep(Take().Text, 0);
    }

    private Condition ReadOr() => ReadJunction("OR", false, () => ReadJunction("AND", true, ReadNot));

    private Condition ReadJunction(string word, bool all, Func<Condition> read)
    {
        var first = read();
        if (!Current.IsWord(word))
        {
            return first;
        }

        var parts = new List<Condition> { first };
        while (Current.IsWord(word))
        {
            Take();
            CountOperator();
            parts.Add(read());
        }

        justClosed = false;
        return new Junction(all, parts);
    }

    private Condition ReadNot()
    {
        if (!Current.IsWord("NOT"))
        {
            return ReadPrimary();
        }

        Take();
        CountOperator();
        var part = ReadNot();
        justClosed = false;
        return new Negation(part);
    }

    private Condition ReadPrimary()
    {
        if (TryTake("("))
        {
            justClosed = false;
            var inner = ReadInside(ReadOr);
            if (justClosed)
            {
                throw ServiceError.Invalid("Invalid expression: The expression has redundant parentheses;");
            }

            justClosed = true;
            return inner;
        }

        var condition = IsFunction && !Current.IsWord("size") ? ReadFunction() : ReadComparison();
        justClosed = false;
        return condition;
    }

    private FunctionCondition ReadFunction()
    {
        CountOperator();
        var name = Take().Text;
        if (!Functions.Contains(name))
        {
            throw ServiceError.Invalid($"Invalid expression: Invalid function name; function: {name}");
        }

        Require("(");
        var arguments = ReadList(ReadOperand);
        Require(")");
        return new FunctionCondition(name, arguments);
    }

    private Condition ReadComparison()
    {
        var left = ReadOperand();
        CountOperator();
        if (Current.IsWord("BETWEEN"))
        {
            Take();
            var low = ReadOperand();
            if (!Take().IsWord("AND"))
            {
                position--;
                throw Unexpected();
            }

            return new Between(left, low, ReadOperand());
        }

        if (Current.IsWord("IN"))
        {
            Take();
            Require("(");
            var candidates = ReadList(ReadOperand);
            Require(")");
            return new Membership(left, candidates);
        }

        return Current.Kind == TokenKind.Symbol && Comparators.Contains(Current.Text) ? new Comparison(left, Take().Text, ReadOperand()) : throw Unexpected();
    }

    private Operand ReadOperand()
    {
        if (IsFunction)
        {
            if (Current.Text != "size")
            {
                throw ServiceError.Invalid($"Invalid expression: The function is not allowed to be used this way in an expression; function: {Current.Text}");
            }

            CountOperator();
            Take();
            Require("(");
            Operand of = Current.Kind == TokenKind.Value ? ReadValue() : new PathOperand(ReadPath());
            Require(")");
            return new SizeOperand(of);
        }

        return Current.Kind == TokenKind.Value ? ReadValue() : new PathOperand(ReadPath());
    }
}
