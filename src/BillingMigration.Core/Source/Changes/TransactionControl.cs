namespace BillingMigration.Source.Changes;

internal enum TransactionVerb
{
    /// <summary>It is another statement.</summary>
    None,
    Begin,
    Commit,
    Rollback,
    RollbackTo,

    /// <summary>SAVEPOINT, RELEASE SAVEPOINT, XA END: rows are neither taken back nor made valid.</summary>
    Mark,
    XaStart,
    XaCommit,
    XaRollback,
}

/// <summary>The words that bound transactions, as the servers write them into the binlog.</summary>
internal static class TransactionControl
{
    /// <param name="xid">Of an XA transaction that ends; else empty.</param>
    public static TransactionVerb Of(string text, out string xid)
    {
        var statement = text.AsSpan().Trim();
        xid = "";
        if (Is(statement, "BEGIN"))
        {
            return TransactionVerb.Begin;
        }

        if (Is(statement, "COMMIT"))
        {
            return TransactionVerb.Commit;
        }

        if (Is(statement, "ROLLBACK"))
        {
            return TransactionVerb.Rollback;
        }

        if (Begins(statement, "SAVEPOINT ") || Begins(statement, "RELEASE SAVEPOINT ") || Begins(statement, "XA END "))
        {
            return TransactionVerb.Mark;
        }

        if (Begins(statement, "ROLLBACK TO "))
        {
            return TransactionVerb.RollbackTo;
        }

        if (Begins(statement, "XA START "))
        {
            return TransactionVerb.XaStart;
        }

        var isCommit = Begins(statement, "XA COMMIT ");
        if (!isCommit && !Begins(statement, "XA ROLLBACK "))
        {
            return TransactionVerb.None;
        }

        xid = statement[(isCommit ? "XA COMMIT" : "XA ROLLBACK").Length..].Trim().ToString();
        return isCommit ? TransactionVerb.XaCommit : TransactionVerb.XaRollback;
    }

    private static bool Is(ReadOnlySpan<char> statement, string word) => statement.Equals(word, StringComparison.OrdinalIgnoreCase);

    private static bool Begins(ReadOnlySpan<char> statement, string words) => statement.StartsWith(words, StringComparison.OrdinalIgnoreCase);
}
