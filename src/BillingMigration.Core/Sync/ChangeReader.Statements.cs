using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>Statements in the stream: where transactions begin and end, XA, DDL.</summary>
internal sealed partial class ChangeReader
{
    private void Query(QueryEvent query)
    {
        var statement = query.Statement.AsSpan().Trim();
        if (Is(statement, "BEGIN"))
        {
            InTransaction = begun = true;
        }
        else if (Is(statement, "COMMIT"))
        {
            CommitAtOnce(query);
        }
        else if (Is(statement, "ROLLBACK"))
        {
            ThrowIfRolledBack(query);
            End(query);
        }
        else if (Begins(statement, "SAVEPOINT") || Begins(statement, "RELEASE SAVEPOINT") || Begins(statement, "XA END"))
        {
            return;
        }
        else if (Begins(statement, "ROLLBACK TO"))
        {
            ThrowIfRolledBack(query);
        }
        else if (Begins(statement, "XA START"))
        {
            InTransaction = begun = true;
            xa = new HeldTransaction();
        }
        else if (Begins(statement, "XA COMMIT"))
        {
            Commit(statement["XA COMMIT".Length..].Trim().ToString(), query);
        }
        else if (Begins(statement, "XA ROLLBACK"))
        {
            Forget(statement["XA ROLLBACK".Length..].Trim().ToString());
            End(query);
        }
        else
        {
            Statement(query);
        }
    }

    private void Statement(QueryEvent query)
    {
        var verdict = tables.Statements.Check(query.Statement, query.Database);
        if (verdict.Effect != StatementEffect.None)
        {
            throw verdict.Effect == StatementEffect.SchemaChange
                ? SyncErrors.SchemaChanged(verdict, Place(query))
                : SyncErrors.StatementNotCaptured(verdict, Place(query));
        }

        // A statement that is no part of a BEGIN stands alone and ends its transaction.
        if (!begun)
        {
            End(query);
        }
    }

    private void ThrowIfRolledBack(QueryEvent query)
    {
        if (rowsInTransaction > 0)
        {
            throw SyncErrors.RolledBack(Place(query));
        }
    }

    private void Prepare(XaPrepareEvent prepare)
    {
        if (prepared.Remove(prepare.Xid, out var older))
        {
            older.Dispose();
        }

        xa ??= new HeldTransaction();
        xa.Cut(rowsInTransaction, null);
        prepared[prepare.Xid] = xa;
        xa = null;
        tracker.Prepare(prepare.Xid, gtid, prepare);
        Close(prepare);
    }

    private void Commit(string xid, QueryEvent query)
    {
        if (!prepared.Remove(xid, out var held))
        {
            throw SyncErrors.XaUnknown(xid, Place(query));
        }

        (released, releasedXid, releasing) = (held, xid, query);
    }

    private void Forget(string xid)
    {
        if (prepared.Remove(xid, out var held))
        {
            held.Dispose();
            tracker.Release(xid);
        }
    }

    private void CommitAtOnce(BinlogEvent next)
    {
        if (xa is null)
        {
            End(next);
            return;
        }

        xa.Cut(rowsInTransaction, null);
        (released, releasing, xa) = (xa, next, null);
    }

    private static bool Is(ReadOnlySpan<char> statement, string word) => statement.Equals(word, StringComparison.OrdinalIgnoreCase);

    private static bool Begins(ReadOnlySpan<char> statement, string words) => statement.StartsWith(words, StringComparison.OrdinalIgnoreCase);
}
