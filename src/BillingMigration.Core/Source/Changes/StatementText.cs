using System.Collections.Immutable;
using System.Text;

namespace BillingMigration.Source.Changes;

/// <param name="Text">Word, identifier without its quotes, or one character of punctuation.</param>
/// <param name="IsName">May be an identifier: a word or a quoted name, no string and no punctuation.</param>
/// <param name="IsQuoted">A quoted name is never a keyword.</param>
internal readonly record struct StatementToken(string Text, bool IsName, bool IsQuoted)
{
    public bool IsString => !IsName && IsQuoted;

    public bool Is(string word) => IsName && !IsQuoted && Text.Equals(word, StringComparison.OrdinalIgnoreCase);

    public bool IsPunctuation(char c) => !IsName && !IsQuoted && Text.Length == 1 && Text[0] == c;
}

/// <summary>How a server may have read a statement.</summary>
/// <param name="AnsiQuotes">Double quotes stand around names.</param>
/// <param name="BackslashEscapes">A backslash in a string is an escape.</param>
/// <param name="Conditional">Comments are executed that only some servers or versions execute.</param>
internal readonly record struct StatementReading(bool AnsiQuotes, bool BackslashEscapes, bool Conditional)
{
    private const ulong AnsiQuotesMode = 1 << 2;
    private const ulong NoBackslashEscapesMode = 1 << 20;

    /// <param name="sqlMode">Null: unknown, so each way counts.</param>
    public static IEnumerable<StatementReading> All(ulong? sqlMode)
    {
        foreach (var ansi in Ways((sqlMode & AnsiQuotesMode) != 0))
        {
            foreach (var escapes in Ways((sqlMode & NoBackslashEscapesMode) == 0))
            {
                yield return new StatementReading(ansi, escapes, true);
                yield return new StatementReading(ansi, escapes, false);
            }
        }

        bool[] Ways(bool known) => sqlMode is null ? [false, true] : [known];
    }
}

/// <summary>Cuts a statement into words, as the servers' lexers do (https://dev.mysql.com/doc/refman/9.4/en/language-structure.html).</summary>
internal sealed class StatementText
{
    /// <summary>Both servers execute comments up to this version; MariaDB none of 50700 to 99999.</summary>
    private const int AlwaysExecuted = 50699;

    private readonly ImmutableArray<StatementToken>.Builder tokens = ImmutableArray.CreateBuilder<StatementToken>();
    private readonly string statement;
    private readonly StatementReading reading;
    private int executed;
    private int conditional;
    private int at;

    private StatementText(string statement, StatementReading reading) => (this.statement, this.reading) = (statement, reading);

    /// <param name="conditional">Comments that only some servers or versions execute.</param>
    /// <returns>Default when the statement cannot be cut into words: a string, a name or a comment has no end.</returns>
    public static ImmutableArray<StatementToken> Read(string statement, StatementReading reading, out int conditional)
    {
        var text = new StatementText(statement, reading);
        var isWhole = text.Read();
        conditional = text.conditional;
        return isWhole && text.executed == 0 ? text.tokens.ToImmutable() : default;
    }

    private bool Read()
    {
        while (at < statement.Length)
        {
            var c = statement[at];
            if (IsSpace(c))
            {
                at++;
            }
            else if (c == '#' || (c == '-' && Follows("--") && (at + 2 == statement.Length || statement[at + 2] <= ' ')))
            {
                at = statement.IndexOf('\n', at) is >= 0 and var end ? end + 1 : statement.Length;
            }
            else if (Follows("/*"))
            {
                if (!Comment())
                {
                    return false;
                }
            }
            else if (executed > 0 && Follows("*/"))
            {
                executed--;
                at += 2;
            }
            else if (c is '`' or '"' or '\'')
            {
                if (!Quoted(c))
                {
                    return false;
                }
            }
            else if (IsWord(c))
            {
                var start = at;
                while (at < statement.Length && IsWord(statement[at]))
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

        return true;
    }

    private bool Comment()
    {
        var isMariaDb = Follows("/*M!");
        if (!isMariaDb && !Follows("/*!"))
        {
            return Skip(nested: false);
        }

        var from = at + (isMariaDb ? 4 : 3);
        var digits = statement.AsSpan(from).IndexOfAnyExceptInRange('0', '9') is >= 0 and var length ? length : statement.Length - from;
        digits = digits >= 5 ? Math.Min(digits, 6) : 0;
        var version = digits == 0 ? 0 : int.Parse(statement.AsSpan(from, digits), System.Globalization.CultureInfo.InvariantCulture);
        if (isMariaDb || version > AlwaysExecuted)
        {
            conditional++;
            if (!reading.Conditional)
            {
                return Skip(nested: true);
            }
        }

        executed++;
        at = from + digits;
        return true;
    }

    /// <summary>Goes behind a comment that is not executed.</summary>
    /// <param name="nested">Comments in it have ends of their own.</param>
    private bool Skip(bool nested)
    {
        var depth = 0;
        while (at < statement.Length)
        {
            if (Follows("/*") && (depth == 0 || nested))
            {
                depth++;
                at += 2;
            }
            else if (Follows("*/"))
            {
                at += 2;
                if (--depth == 0)
                {
                    return true;
                }
            }
            else
            {
                at++;
            }
        }

        return false;
    }

    private bool Quoted(char quote)
    {
        var isName = quote == '`' || (quote == '"' && reading.AnsiQuotes);
        var text = new StringBuilder();
        at++;
        while (at < statement.Length)
        {
            var c = statement[at++];
            if (c == '\\' && !isName && reading.BackslashEscapes && at < statement.Length)
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
                tokens.Add(new StatementToken(text.ToString(), isName, true));
                return true;
            }
        }

        return false;
    }

    private bool Follows(string text) => statement.AsSpan(at).StartsWith(text, StringComparison.Ordinal);

    private static bool IsSpace(char c) => c is ' ' or (>= '\t' and <= '\r');

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' || c >= 0x80;
}
