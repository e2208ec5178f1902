namespace BillingMigration.Source.Changes;

/// <summary>CREATE TABLE and ALTER TABLE: what they do to some tables.</summary>
internal static class TableStatement
{
    private static readonly StatementPattern CreateHead = new("CREATE [OR REPLACE] TABLE [IF NOT EXISTS] table");
    private static readonly StatementPattern CreateTemporary = new("CREATE [OR REPLACE] TEMPORARY TABLE ...");
    private static readonly StatementPattern CreateIfMissing = new("CREATE TABLE IF NOT EXISTS ...");
    private static readonly StatementPattern AlterHead = new("ALTER [ONLINE|OFFLINE] [IGNORE] TABLE [IF EXISTS] table [WAIT value|NOWAIT]");
    private static readonly StatementPattern AlterIgnore = new("ALTER [ONLINE|OFFLINE] IGNORE ...");

    /// <returns>Null when it is another statement.</returns>
    public static StatementVerdict? Check(StatementWords words, string kind, Func<TableName, bool> isOurs) =>
        Create(words, kind, isOurs) ?? Alter(words, kind, isOurs);

    private static StatementVerdict? Create(StatementWords words, string kind, Func<TableName, bool> isOurs)
    {
        var isTemporary = CreateTemporary.Match(words, 0, words.Length) is not null;
        var (table, end) = isTemporary ? default : Head(CreateHead, words);
        if (!isTemporary && end < 0)
        {
            return null;
        }

        // IF NOT EXISTS: of ours, it is there. A child that begins to refer to ours changes nothing by it: it has no items, and what cascades to it ends
        // there, unless it is itself above entities, and those refer to it by a statement of their own, which is seen.
        var verdict = !isTemporary && CreateIfMissing.Match(words, 0, words.Length) is null && isOurs(table)
            ? new StatementVerdict(StatementEffect.NameChange, kind, [table])
            : StatementVerdict.Harmless;

        // A query may call functions, which may do anything.
        var hasQuery = words.Tokens.Where((t, i) => t.Is("SELECT") || (t.Is("ROW") && words[i + 1].IsPunctuation('('))).Any();
        return (hasQuery ? verdict.Stricter(StatementVerdict.Unknown(kind)) : verdict).Stricter(Merged(words, kind, isOurs));
    }

    private static StatementVerdict? Alter(StatementWords words, string kind, Func<TableName, bool> isOurs)
    {
        var (table, from) = Head(AlterHead, words);
        if (from < 0)
        {
            return null;
        }

        var verdict = Merged(words, kind, isOurs);
        foreach (var (start, end) in Actions(words, from))
        {
            foreach (var form in AlterTableForms.OtherTables)
            {
                if (form.Pattern.Match(words, start, end) is { } others && others.Any(isOurs))
                {
                    verdict = verdict.Stricter(new StatementVerdict(form.Effect, kind, [.. others.Where(isOurs)]));
                }
            }
        }

        if (!isOurs(table))
        {
            return verdict;
        }

        // With IGNORE, MariaDB drops rows that a new key or a constraint does not admit, and logs none of them.
        var least = AlterIgnore.Match(words, 0, words.Length) is not null ? StatementEffect.Rows : StatementEffect.None;
        var own = EffectOf(words, from);
        return verdict.Stricter(new StatementVerdict(own > least ? own : least, kind, [table]));
    }

    private static StatementEffect EffectOf(StatementWords words, int from)
    {
        if (from == words.Length)
        {
            return StatementEffect.None;
        }

        if (First(AlterTableForms.Partitions, words, from, words.Length) is { } whole)
        {
            return whole;
        }

        var worst = StatementEffect.None;
        var isOrdered = false;
        foreach (var (start, end) in Actions(words, from))
        {
            if (isOrdered && AlterTableForms.OrderColumn.Match(words, start, end) is not null)
            {
                continue;
            }

            isOrdered = AlterTableForms.OrderBy.Match(words, start, end) is not null;
            var effect = First(AlterTableForms.Actions, words, start, end)
                ?? (AlterTableForms.OtherTables.Any(f => f.Effect == StatementEffect.NameChange && !IsPart(words, start)
                    && f.Pattern.Match(words, start, end) is not null)
                    ? StatementEffect.NameChange
                    : StatementEffect.LayoutChange);
            worst = effect > worst ? effect : worst;
        }

        return worst;
    }

    /// <summary>RENAME COLUMN a TO b would read as a table that is called COLUMN.</summary>
    private static bool IsPart(StatementWords words, int start) => words[start].Is("RENAME") && words[start + 1].Is("COLUMN") && words[start + 2].IsName;

    private static StatementEffect? First(IEnumerable<StatementForm> forms, StatementWords words, int start, int end) =>
        forms.FirstOrDefault(f => f.Pattern.Match(words, start, end) is not null)?.Effect;

    /// <summary>MERGE tables take rows for the tables below them, under their own name.</summary>
    private static StatementVerdict Merged(StatementWords words, string kind, Func<TableName, bool> isOurs)
    {
        for (var at = 0; at < words.Length; at++)
        {
            var open = words[at].Is("UNION") ? at + (words[at + 1].IsPunctuation('=') ? 2 : 1) : -1;
            if (open < 0 || !words[open].IsPunctuation('('))
            {
                continue;
            }

            for (var next = open; next < words.BehindParenthesis(open);)
            {
                if (words.TableAt(next, out var behind) is { } merged && isOurs(merged))
                {
                    return new StatementVerdict(StatementEffect.LayoutChange, kind, [merged]);
                }

                next = Math.Max(behind, next + 1);
            }
        }

        return StatementVerdict.Harmless;
    }

    /// <returns>The table, and where the rest begins; -1: it does not fit.</returns>
    private static (TableName Table, int End) Head(StatementPattern head, StatementWords words)
    {
        const int Longest = 16;
        for (var end = Math.Min(words.Length, Longest); end > 0; end--)
        {
            if (head.Match(words, 0, end) is [var table])
            {
                return (table, end);
            }
        }

        return (default, -1);
    }

    /// <summary>What stands between commas outside of parentheses.</summary>
    private static IEnumerable<(int Start, int End)> Actions(StatementWords words, int from)
    {
        var (start, depth) = (from, 0);
        for (var at = from; at < words.Length; at++)
        {
            depth += words[at].IsPunctuation('(') ? 1 : words[at].IsPunctuation(')') ? -1 : 0;
            if (depth == 0 && words[at].IsPunctuation(','))
            {
                yield return (start, at);
                start = at + 1;
            }
        }

        yield return (start, words.Length);
    }
}
