using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

/// <summary>
/// Decides what a statement in the binlog means for some tables. A statement that is understood word by word has its own effect;
/// any other may have changed each row of each table: by a view, a trigger, a function, or because it is newer than this list.
/// </summary>
internal sealed class StatementCheck(IEnumerable<TableName> tables)
{
    private static readonly string[] Definitions = ["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"];
    private static readonly string[] Objects = ["TABLE", "TABLES", "INDEX", "DATABASE", "SCHEMA", "SEQUENCE", "VIEW"];

    private readonly ImmutableArray<TableName> ours = [.. tables];

    /// <param name="sqlMode">The session's, by which quotes are read; null: unknown.</param>
    public StatementVerdict Check(string statement, string defaultDatabase, ulong? sqlMode)
    {
        var verdict = StatementVerdict.Harmless;
        foreach (var reading in StatementReading.All(sqlMode))
        {
            var tokens = StatementText.Read(statement, reading, out var conditional);
            if (conditional > 0 || reading.Conditional)
            {
                verdict = verdict.Stricter(tokens.IsDefault ? StatementVerdict.Unknown("statement") : Check(new StatementWords(tokens, defaultDatabase)));
            }

            if (conditional > 1)
            {
                // Some of them executed, and others not, were still other statements.
                verdict = verdict.Stricter(StatementVerdict.Unknown("statement"));
            }
        }

        return verdict;
    }

    private StatementVerdict Check(StatementWords words)
    {
        words = WithoutEnds(words);
        if (words.Length == 0)
        {
            return StatementVerdict.Harmless;
        }

        if (words[0].Is("SET") && words[1].Is("STATEMENT"))
        {
            return SetStatement(words);
        }

        var kind = KindOf(words);
        if (TableStatement.Check(words, kind, IsOurs) is { } verdict)
        {
            return verdict;
        }

        foreach (var form in StatementForms.All)
        {
            if (form.Pattern.Match(words, 0, words.Length) is { } named)
            {
                ImmutableArray<TableName> concerned = [.. ours.Where(t => named.Any(n => n.Covers(t)))];
                return form.Effect == StatementEffect.None || concerned.IsEmpty
                    ? StatementVerdict.Harmless
                    : new StatementVerdict(form.Effect, kind, concerned);
            }
        }

        return Definitions.Any(words[0].Is) && Mentioned(words) is { IsEmpty: false } mentioned
            ? new StatementVerdict(StatementEffect.NameChange, kind, mentioned, ConcernsAll: false)
            : StatementVerdict.Unknown(kind);
    }

    /// <summary>MariaDB: SET STATEMENT variable = value, … FOR statement. The values can hold no query and no function that is stored.</summary>
    private StatementVerdict SetStatement(StatementWords words)
    {
        var depth = 0;
        for (var at = 2; at < words.Length; at++)
        {
            depth += words[at].IsPunctuation('(') ? 1 : words[at].IsPunctuation(')') ? -1 : 0;
            if (depth == 0 && words[at].Is("FOR"))
            {
                var inner = Check(words with { Tokens = words.Tokens[(at + 1)..] });

                // By which mode the rest is read is not known then.
                return words.Tokens[..at].Any(t => t.Is("sql_mode")) ? inner.Stricter(StatementVerdict.Unknown("SET STATEMENT sql_mode")) : inner;
            }
        }

        return StatementVerdict.Unknown("SET STATEMENT");
    }

    private static StatementWords WithoutEnds(StatementWords words)
    {
        var (start, end) = (0, words.Length);
        while (start < end && words[start].IsPunctuation(';'))
        {
            start++;
        }

        while (end > start && words[end - 1].IsPunctuation(';'))
        {
            end--;
        }

        return words with { Tokens = words.Tokens[start..end] };
    }

    private static string KindOf(StatementWords words)
    {
        var first = words[0].Text.ToUpperInvariant();
        if (words[0].Is("TRUNCATE"))
        {
            return "TRUNCATE TABLE";
        }

        for (var at = 1; at < words.Length && at < 6 && Definitions.Any(words[0].Is); at++)
        {
            if (Objects.Any(words[at].Is))
            {
                var kind = string.Join(' ', words.Tokens[..(at + 1)].Select(t => t.Text.ToUpperInvariant()));
                return kind.EndsWith("TABLES", StringComparison.Ordinal) ? kind[..^1] : kind;
            }
        }

        return words[0].IsName && !words[0].IsQuoted ? first : "statement";
    }

    private ImmutableArray<TableName> Mentioned(StatementWords words)
    {
        var found = ImmutableArray.CreateBuilder<TableName>();
        for (var at = 0; at < words.Length; at++)
        {
            // A name may belong to another database than it seems to where the form is not known.
            found.AddRange(ours.Where(t => words[at].IsName && words[at].Text.Equals(t.Name, StringComparison.OrdinalIgnoreCase)));
        }

        return [.. found.Distinct()];
    }

    private bool IsOurs(TableName table) => ours.Contains(table);
}
