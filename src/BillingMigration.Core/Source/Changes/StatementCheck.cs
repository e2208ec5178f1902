using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

internal enum StatementEffect
{
    /// <summary>No row of a migrated table changes, and none is laid out otherwise.</summary>
    None,

    /// <summary>A foreign key of a migrated table, or one that refers to it, has come or gone: rows are as they were, later cascades may not be.</summary>
    ForeignKeyChange,

    /// <summary>A migrated table is emptied, replaced, moved or laid out otherwise.</summary>
    SchemaChange,

    /// <summary>Rows of a migrated table may have changed, and the binlog does not say which.</summary>
    RowsByStatement,
}

/// <param name="Kind">As the operator knows it: <c>ALTER TABLE</c>.</param>
internal readonly record struct StatementVerdict(StatementEffect Effect, string Kind, string Table);

/// <summary>Decides what a statement in the binlog means for the migrated tables. What it does not know for certain to be harmless, it takes for a change.</summary>
internal sealed class StatementCheck(string database, IEnumerable<string> migratedTables)
{
    // What may come behind ALTER TABLE t, or behind a comma there, and leaves rows and their layout alone.
    private static readonly string[] HarmlessActions =
    [
        "COMMENT", "AUTO_INCREMENT", "ENGINE", "ALGORITHM", "LOCK", "STATS_PERSISTENT", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "ROW_FORMAT", "KEY_BLOCK_SIZE",
        "COMPRESSION", "ENCRYPTION", "TABLESPACE", "MIN_ROWS", "MAX_ROWS", "AVG_ROW_LENGTH", "CHECKSUM", "DELAY_KEY_WRITE", "PACK_KEYS", "INSERT_METHOD",
        "ENABLE", "DISABLE", "FORCE", "ANALYZE", "OPTIMIZE", "REBUILD", "REPAIR", "CHECK", "REORGANIZE", "COALESCE", "REMOVE", "PARTITION", "WAIT", "NOWAIT", "ORDER",
    ];

    private static readonly string[] HarmlessParts = ["INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "CONSTRAINT", "FOREIGN", "CHECK", "PARTITION"];

    private static readonly string[] RowStatements = ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "CALL", "DO"];

    private readonly HashSet<string> tables = new(migratedTables, StringComparer.OrdinalIgnoreCase);

    public StatementVerdict Check(string statement, string defaultDatabase)
    {
        // Of a comment that the server executes only its end is left, which stands between words.
        var tokens = StatementText.Read(statement).RemoveAll(t => t.IsPunctuation('*') || t.IsPunctuation('/'));
        if (tokens.IsEmpty)
        {
            return default;
        }

        var first = tokens[0];
        var mentioned = Mentioned(tokens, defaultDatabase);
        if (first.Is("DROP") && tokens.Length > 2 && (tokens[1].Is("DATABASE") || tokens[1].Is("SCHEMA")))
        {
            return tokens.Any(t => t.IsName && t.Text.Equals(database, StringComparison.OrdinalIgnoreCase))
                ? new StatementVerdict(StatementEffect.SchemaChange, "DROP DATABASE", database)
                : default;
        }

        if (mentioned.Length == 0)
        {
            return References(tokens, defaultDatabase);
        }

        if (RowStatements.Any(first.Is))
        {
            return new StatementVerdict(StatementEffect.RowsByStatement, first.Text.ToUpperInvariant(), mentioned[0]);
        }

        return first switch
        {
            _ when first.Is("TRUNCATE") => Change("TRUNCATE TABLE", mentioned[0]),
            _ when first.Is("RENAME") && tokens.Length > 1 && !tokens[1].Is("USER") => Change("RENAME TABLE", mentioned[0]),
            _ when first.Is("DROP") && tokens.Length > 1 && (tokens[1].Is("TABLE") || tokens[1].Is("TABLES")) => Change("DROP TABLE", mentioned[0]),
            _ when first.Is("DROP") && tokens.Length > 2 && tokens[1].Is("INDEX") && IsPrimary(tokens[2]) => Change("DROP INDEX", mentioned[0]),
            _ when first.Is("CREATE") => Create(tokens, defaultDatabase),
            _ when first.Is("ALTER") => Alter(tokens, defaultDatabase, mentioned[0]),
            _ => default,
        };
    }

    private static StatementVerdict Change(string kind, string table) => new(StatementEffect.SchemaChange, kind, table);

    private StatementVerdict Create(ImmutableArray<StatementToken> tokens, string defaultDatabase)
    {
        var at = 1;
        var replaces = tokens.Length > 3 && tokens[1].Is("OR");
        at += replaces ? 2 : 0;
        if (at >= tokens.Length || !tokens[at].Is("TABLE"))
        {
            return default;
        }

        // Without OR REPLACE the table was not there, or stays as it is.
        return replaces && TableAt(tokens, at + 1, defaultDatabase, out _) is { } table ? Change("CREATE OR REPLACE TABLE", table) : References(tokens, defaultDatabase);
    }

    private StatementVerdict Alter(ImmutableArray<StatementToken> tokens, string defaultDatabase, string mentioned)
    {
        var at = 1;
        var ignores = false;
        while (at < tokens.Length && (tokens[at].Is("ONLINE") || tokens[at].Is("IGNORE")))
        {
            ignores |= tokens[at].Is("IGNORE");
            at++;
        }

        if (at >= tokens.Length || !tokens[at].Is("TABLE"))
        {
            return default;
        }

        if (TableAt(tokens, at + 1, defaultDatabase, out var next) is not { } table)
        {
            // Another table that is renamed to a migrated one's name, or whose partition is exchanged with it.
            return tokens.Any(t => t.Is("RENAME") || t.Is("EXCHANGE")) ? Change("ALTER TABLE", mentioned) : References(tokens, defaultDatabase);
        }

        // With IGNORE MariaDB drops rows that a new key or a constraint does not admit, and logs none of them.
        if (ignores || !Actions(tokens, next).All(action => IsHarmless(tokens, action)))
        {
            return Change(ignores ? "ALTER IGNORE TABLE" : "ALTER TABLE", table);
        }

        return Actions(tokens, next).Any(action => IsForeignKey(tokens, action))
            ? new StatementVerdict(StatementEffect.ForeignKeyChange, "ALTER TABLE", table)
            : References(tokens, defaultDatabase);
    }

    /// <summary>A table of any database that begins to refer to a migrated one.</summary>
    private StatementVerdict References(ImmutableArray<StatementToken> tokens, string defaultDatabase)
    {
        var table = tokens.FirstOrDefault(t => t.Is("TABLE"));
        var kind = tokens[0].Is("CREATE") ? "CREATE TABLE" : tokens[0].Is("ALTER") ? "ALTER TABLE" : null;
        if (kind is null || table == default)
        {
            return default;
        }

        // A table that is named without its database is looked for where the referring one is.
        var at = Named(tokens, tokens.IndexOf(table) + 1);
        var own = at + 1 < tokens.Length && tokens[at + 1].IsPunctuation('.') ? tokens[at].Text : defaultDatabase;
        for (var i = at; i < tokens.Length; i++)
        {
            if (tokens[i].Is("REFERENCES") && TableAt(tokens, i + 1, own, out _) is { } parent)
            {
                return new StatementVerdict(StatementEffect.ForeignKeyChange, kind, parent);
            }
        }

        return default;
    }

    /// <summary>ADD FOREIGN KEY, DROP FOREIGN KEY, and DROP CONSTRAINT, which may be one.</summary>
    private static bool IsForeignKey(ImmutableArray<StatementToken> tokens, int at)
    {
        if (at + 1 >= tokens.Length || !(tokens[at].Is("ADD") || tokens[at].Is("DROP")))
        {
            return false;
        }

        return tokens[at].Is("DROP") && tokens[at + 1].Is("CONSTRAINT") || InAction(tokens, at).Any(t => t.Is("FOREIGN"));
    }

    /// <summary>Where each action of ALTER TABLE begins: behind the table's name, and behind each comma outside of parentheses.</summary>
    private static IEnumerable<int> Actions(ImmutableArray<StatementToken> tokens, int from)
    {
        var depth = 0;
        yield return from;
        for (var i = from; i < tokens.Length; i++)
        {
            depth += tokens[i].IsPunctuation('(') ? 1 : tokens[i].IsPunctuation(')') ? -1 : 0;
            if (depth == 0 && tokens[i].IsPunctuation(','))
            {
                yield return i + 1;
            }
        }
    }

    private static bool IsHarmless(ImmutableArray<StatementToken> tokens, int at)
    {
        if (at >= tokens.Length)
        {
            return true;
        }

        var action = tokens[at];
        var part = at + 1 < tokens.Length ? tokens[at + 1] : default;
        if (action.Is("ADD") || action.Is("DROP"))
        {
            // Dropped partitions take their rows with them; a list of columns follows ADD in parentheses. A key or constraint by the name of
            // PRIMARY, quoted or not, is the primary key.
            return HarmlessParts.Any(part.Is) && !(action.Is("DROP") && (part.Is("PARTITION") || InAction(tokens, at).Any(IsPrimary))) && !InAction(tokens, at).Any(t => t.Is("PRIMARY"));
        }

        if (action.Is("RENAME"))
        {
            return part.Is("INDEX") || part.Is("KEY");
        }

        return HarmlessActions.Any(action.Is) && !InAction(tokens, at).Any(t => t.Is("EXCHANGE") || t.Is("TRUNCATE") || t.Is("DROP") || t.Is("DISCARD") || t.Is("IMPORT") || t.Is("VERSIONING"));
    }

    private static IEnumerable<StatementToken> InAction(ImmutableArray<StatementToken> tokens, int at) => tokens.Skip(at).TakeWhile(t => !t.IsPunctuation(','));

    private static bool IsPrimary(StatementToken token) => token.IsName && token.Text.Equals("PRIMARY", StringComparison.OrdinalIgnoreCase);

    /// <summary>Where a name begins, behind IF EXISTS.</summary>
    private static int Named(ImmutableArray<StatementToken> tokens, int at)
    {
        while (at < tokens.Length && (tokens[at].Is("IF") || tokens[at].Is("NOT") || tokens[at].Is("EXISTS")))
        {
            at++;
        }

        return at;
    }

    /// <summary>The migrated table whose name stands at a place, behind IF EXISTS; null for another.</summary>
    private string? TableAt(ImmutableArray<StatementToken> tokens, int at, string defaultDatabase, out int next)
    {
        next = at = Named(tokens, at);
        if (at >= tokens.Length)
        {
            return null;
        }

        var qualified = at + 2 < tokens.Length && tokens[at + 1].IsPunctuation('.');
        next = at + (qualified ? 3 : 1);
        return IsOurs(qualified ? tokens[at].Text : defaultDatabase) && tables.TryGetValue(tokens[next - 1].Text, out var table) ? table : null;
    }

    private string[] Mentioned(ImmutableArray<StatementToken> tokens, string defaultDatabase)
    {
        var found = new List<string>();
        for (var i = 0; i < tokens.Length; i++)
        {
            if (!tokens[i].IsName || !tables.TryGetValue(tokens[i].Text, out var table))
            {
                continue;
            }

            var qualified = i >= 2 && tokens[i - 1].IsPunctuation('.') && tokens[i - 2].IsName;
            if (IsOurs(qualified ? tokens[i - 2].Text : defaultDatabase))
            {
                found.Add(table);
            }
        }

        return [.. found];
    }

    private bool IsOurs(string name) => name.Equals(database, StringComparison.OrdinalIgnoreCase);
}
