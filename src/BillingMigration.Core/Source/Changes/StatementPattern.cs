using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

/// <summary>The words of a statement, and the database that names without one belong to.</summary>
internal readonly record struct StatementWords(ImmutableArray<StatementToken> Tokens, string Database)
{
    public int Length => Tokens.Length;

    public StatementToken this[int at] => at >= 0 && at < Tokens.Length ? Tokens[at] : new StatementToken("", false, false);

    /// <summary>Reads <c>name</c>, <c>database.name</c> or <c>.name</c>.</summary>
    /// <param name="next">Behind it.</param>
    public TableName? TableAt(int at, out int next)
    {
        if (this[at].IsPunctuation('.') && this[at + 1].IsName)
        {
            next = at + 2;
            return new TableName(Database, this[at + 1].Text);
        }

        if (!this[at].IsName)
        {
            next = at;
            return null;
        }

        var isQualified = this[at + 1].IsPunctuation('.') && this[at + 2].IsName;
        next = at + (isQualified ? 3 : 1);
        return isQualified ? new TableName(this[at].Text, this[at + 2].Text) : new TableName(Database, this[at].Text);
    }

    /// <summary>Where the parenthesis that opens at a place is over; -1: nowhere.</summary>
    public int BehindParenthesis(int at)
    {
        var depth = 0;
        for (var i = at; i < Length; i++)
        {
            depth += this[i].IsPunctuation('(') ? 1 : this[i].IsPunctuation(')') ? -1 : 0;
            if (depth == 0)
            {
                return i + 1;
            }
        }

        return -1;
    }
}

/// <summary>
/// A form of a statement, or of a part of one, as the manuals write it: WORDS, <c>[optional]</c>, <c>{one|or another}</c>, <c>repeated*</c>, and
/// <c>name</c> (with its database or not), <c>table</c> and <c>database</c> (names that are looked at), <c>primary</c> (the primary key's
/// name, quoted or not), <c>value</c> (number, string or word, signed or not), <c>()</c> (anything in parentheses), <c>...</c> (anything to the end). All of the words must fit.
/// </summary>
internal sealed class StatementPattern
{
    private delegate IEnumerable<int> Part(StatementWords words, int at, List<TableName> tables);

    private readonly Part whole;

    public StatementPattern(string form)
    {
        var symbols = new Queue<string>(System.Text.RegularExpressions.Regex.Matches(form, @"\(\)|\.\.\.|\w+|\S").Select(m => m.Value));
        whole = Alternatives(symbols);
        if (symbols.Count > 0)
        {
            throw new FormatException($"The form {form} does not end where it should.");
        }
    }

    /// <returns>The tables that stand where the form has <c>table</c>; null when the words have another form.</returns>
    public IReadOnlyList<TableName>? Match(StatementWords words, int from, int to)
    {
        var tables = new List<TableName>();
        var part = words with { Tokens = words.Tokens[..to] };
        return whole(part, from, tables).Any(end => end == to) ? tables : null;
    }

    private static Part Alternatives(Queue<string> symbols)
    {
        var parts = new List<Part> { Sequence(symbols) };
        while (symbols.TryPeek(out var next) && next == "|")
        {
            symbols.Dequeue();
            parts.Add(Sequence(symbols));
        }

        return parts.Count == 1 ? parts[0] : (words, at, tables) => parts.SelectMany(p => Undone(p, words, at, tables));
    }

    private static Part Sequence(Queue<string> symbols)
    {
        Part sequence = static (_, at, _) => [at];
        while (symbols.TryPeek(out var next) && next is not ("|" or "]" or "}"))
        {
            var (first, second) = (sequence, Repeated(symbols));
            sequence = (words, at, tables) => first(words, at, tables).SelectMany(middle => Undone(second, words, middle, tables));
        }

        return sequence;
    }

    private static Part Repeated(Queue<string> symbols)
    {
        var part = One(symbols);
        if (!symbols.TryPeek(out var next) || next != "*")
        {
            return part;
        }

        symbols.Dequeue();
        return Repeat;

        IEnumerable<int> Repeat(StatementWords words, int at, List<TableName> tables) =>
            Undone(part, words, at, tables).Where(end => end > at).SelectMany(end => Repeat(words, end, tables)).Append(at);
    }

    private static Part One(Queue<string> symbols)
    {
        var symbol = symbols.Dequeue();
        switch (symbol)
        {
            case "[" or "{":
                var inner = Alternatives(symbols);
                symbols.Dequeue();
                return symbol == "{" ? inner : (words, at, tables) => Undone(inner, words, at, tables).Append(at);
            case "name":
                return static (words, at, _) => words.TableAt(at, out var next) is null ? [] : [next];
            case "table":
                return Table;
            case "database":
                return static (words, at, tables) => Database(words, at, tables);
            case "primary":
                return static (words, at, _) => words[at].IsName && words[at].Text.Equals("PRIMARY", StringComparison.OrdinalIgnoreCase) ? [at + 1] : [];
            case "value":
                return static (words, at, _) => Value(words, at);
            case "()":
                return static (words, at, _) => words[at].IsPunctuation('(') && words.BehindParenthesis(at) is > 0 and var next ? [next] : [];
            case "...":
                return static (words, _, _) => [words.Length];
            default:
                return symbol.Length == 1 && !char.IsAsciiLetter(symbol[0])
                    ? (words, at, _) => words[at].IsPunctuation(symbol[0]) ? [at + 1] : []
                    : (words, at, _) => words[at].Is(symbol) ? [at + 1] : [];
        }
    }

    private static IEnumerable<int> Table(StatementWords words, int at, List<TableName> tables)
    {
        if (words.TableAt(at, out var next) is { } table)
        {
            tables.Add(table);
            yield return next;
        }
    }

    private static IEnumerable<int> Database(StatementWords words, int at, List<TableName> tables)
    {
        if (words[at].IsName)
        {
            tables.Add(new TableName(words[at].Text, TableName.Every));
            yield return at + 1;
        }
    }

    private static IEnumerable<int> Value(StatementWords words, int at)
    {
        at += words[at].IsPunctuation('-') || words[at].IsPunctuation('+') ? 1 : 0;
        if (words[at].IsString)
        {
            // Strings that stand side by side are one.
            while (words[at].IsString)
            {
                at++;
            }

            return [at];
        }

        return !words[at].IsName ? []
            : words[at + 1].IsString ? [at + 1, at + 2]
            : words[at + 1].IsPunctuation('.') && words[at + 2].IsName ? [at + 1, at + 3] : [at + 1];
    }

    /// <summary>Tables that a way found and that leads nowhere are taken back before the next one is tried.</summary>
    private static IEnumerable<int> Undone(Part part, StatementWords words, int at, List<TableName> tables)
    {
        var count = tables.Count;
        foreach (var end in part(words, at, tables))
        {
            yield return end;
        }

        tables.RemoveRange(count, tables.Count - count);
    }
}
