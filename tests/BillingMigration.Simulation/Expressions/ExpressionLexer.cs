namespace BillingMigration.Simulation;

internal enum TokenKind
{
    Name,
    Placeholder,
    Value,
    Number,
    Symbol,
    End,
}

internal readonly record struct Token(TokenKind Kind, string Text)
{
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;

    public bool IsWord(string word) => Kind == TokenKind.Name && Text.Equals(word, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Divides an expression into tokens.</summary>
internal static class ExpressionLexer
{
    public static List<Token> Read(string text)
    {
        var tokens = new List<Token>();
        for (var i = 0; i < text.Length;)
        {
            if (char.IsWhiteSpace(text[i]))
            {
                i++;
                continue;
            }

            var token = Next(text, i);
            tokens.Add(token);
            i += token.Text.Length;
        }

        tokens.Add(new Token(TokenKind.End, string.Empty));
        return tokens;
    }

    private static Token Next(string text, int start)
    {
        var first = text[start];
        if (first is '#' or ':' || char.IsAsciiLetter(first) || first == '_')
        {
            var end = start + 1;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_'))
            {
                end++;
            }

            var kind = first == '#' ? TokenKind.Placeholder : first == ':' ? TokenKind.Value : TokenKind.Name;
            return end - start > 1 || kind == TokenKind.Name ? new Token(kind, text[start..end]) : throw Wrong(text[start..end]);
        }

        if (char.IsAsciiDigit(first))
        {
            var end = start;
            while (end < text.Length && char.IsAsciiDigit(text[end]))
            {
                end++;
            }

            return new Token(TokenKind.Number, text[start..end]);
        }

        var two = start + 1 < text.Length ? text.Substring(start, 2) : string.Empty;
        return two is "<=" or ">=" or "<>" ? new Token(TokenKind.Symbol, two)
            : "=<>(),.[]+-".Contains(first, StringComparison.Ordinal) ? new Token(TokenKind.Symbol, first.ToString())
            : throw Wrong(first.ToString());
    }

    private static ServiceError Wrong(string token) => ServiceError.Invalid($"Invalid expression: Syntax error; token: \"{token}\"");
}
