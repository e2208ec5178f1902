using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

/// <param name="Text">Word, identifier without its quotes, or one character of punctuation.</param>
/// <param name="IsName">May be an identifier: a word or a quoted name, no string and no punctuation.</param>
/// <param name="IsQuoted">A quoted name is never a keyword.</param>
internal readonly record struct StatementToken(string Text, bool IsName, bool IsQuoted)
{
    public bool Is(string word) => IsName && !IsQuoted && Text.Equals(word, StringComparison.OrdinalIgnoreCase);

    public bool IsPunctuation(char c) => !IsName && Text.Length == 1 && Text[0] == c;
}

/// <summary>Cuts a statement of MySQL or MariaDB into words. Comments are left out, except those that the server executes.</summary>
internal static class StatementText
{
    private const string StringMark = "''";

    public static ImmutableArray<StatementToken> Read(string statement)
    {
        var tokens = ImmutableArray.CreateBuilder<StatementToken>();
        var at = 0;
        while (at < statement.Length)
        {
            var c = statement[at];
            if (char.IsWhiteSpace(c))
            {
                at++;
            }
            else if (c == '#' || (c == '-' && statement.AsSpan(at).StartsWith("--") && (at + 2 == statement.Length || char.IsWhiteSpace(statement[at + 2]))))
            {
                at = EndOf(statement, at, "\n");
            }
            else if (statement.AsSpan(at).StartsWith("/*!") || statement.AsSpan(at).StartsWith("/*M!"))
            {
                // What the server executes is read; its end is punctuation that nobody asks for.
                at = statement.IndexOf('!', at) + 1;
                at += statement.AsSpan(at).IndexOfAnyExceptInRange('0', '9') is >= 0 and var digits ? digits : 0;
            }
            else if (statement.AsSpan(at).StartsWith("/*"))
            {
                at = EndOf(statement, at + 2, "*/");
            }
            else if (c is '`' or '"' or '\'')
            {
                var text = Quoted(statement, ref at);
                // In ANSI mode double quotes stand around names: read as a name, the statement is looked at more closely, never less.
                tokens.Add(c == '\'' ? new StatementToken(StringMark, false, true) : new StatementToken(text, true, true));
            }
            else if (char.IsLetterOrDigit(c) || c is '_' or '$' || c >= 0x80)
            {
                var start = at;
                while (at < statement.Length && (char.IsLetterOrDigit(statement[at]) || statement[at] is '_' or '$' || statement[at] >= 0x80))
                {
                    at++;
                }

                tokens.Add(new StatementToken(statement[start..at], true, false));
            }
            else
            {
                tokens.Add(new StatementToken(c.ToString(), false, false));
                at++;
            }
        }

        return tokens.ToImmutable();
    }

    private static int EndOf(string statement, int from, string end) => statement.IndexOf(end, from, StringComparison.Ordinal) is >= 0 and var at ? at + end.Length : statement.Length;

    private static string Quoted(string statement, ref int at)
    {
        var quote = statement[at++];
        var text = new System.Text.StringBuilder();
        while (at < statement.Length)
        {
            var c = statement[at++];
            if (c == '\\' && quote != '`' && at < statement.Length)
            {
                text.Append(statement[at++]);
            }
            else if (c != quote)
            {
                text.Append(c);
            }
            else if (at < statement.Length && statement[at] == quote)
            {
                text.Append(quote);
                at++;
            }
            else
            {
                break;
            }
        }

        return text.ToString();
    }
}
