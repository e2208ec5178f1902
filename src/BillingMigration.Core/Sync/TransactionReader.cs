using System.Globalization;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>Where the stream stands behind an event.</summary>
internal enum StreamStep
{
    /// <summary>Inside a transaction, or where it was.</summary>
    Within,

    /// <summary>Further, between transactions.</summary>
    Place,

    /// <summary>At the end of a transaction.</summary>
    Transaction,
}

/// <summary>
/// Frames the events of a stream as transactions and shows their rows in the order in which they became valid: those of an XA transaction at its end. Each event is accepted, then its
/// rows are read, then <see cref="End"/> is called.
/// </summary>
internal sealed class TransactionReader(BoundTables tables, StreamTracker tracker)
{
    private const long MostHeldBytes = 256L * 1024 * 1024;

    private readonly Dictionary<string, HeldRows> prepared = [];
    private HeldRows? holding;
    private HeldRows? released;
    private RowsEvent? rows;
    private BoundTable? table;
    private BinlogEvent? last;
    private StreamStep step;
    private string? endedXid;
    private string? preparedXid;
    private string? gtid;
    private long committedAt;
    private bool begun;
    private bool missedXa;
    private bool hasRows;

    /// <summary>True between the begin of a transaction and its end.</summary>
    public bool InTransaction { get; private set; }

    /// <summary>True when rows of a transaction are shown, and not yet all.</summary>
    public bool HasShownPart { get; private set; }

    /// <summary>A position that has everything accepted so far, a transaction under way too.</summary>
    public Source.SourcePosition ReadUpTo => tracker.Including(gtid, last?.File ?? "", last?.EndOffset ?? 0);

    /// <exception cref="MigrationException">The event cannot be followed.</exception>
    public void Accept(BinlogEvent next)
    {
        (rows, last) = (null, next is RowsEvent or TableMapEvent or XidEvent or QueryEvent or XaPrepareEvent or GtidEvent ? next : last);
        switch (next)
        {
            case GtidEvent begin:
                // MariaDB has no BEGIN behind it, except where a statement stands alone; MySQL's says it.
                (gtid, begun) = (begin.Gtid, begin.Type == BinlogEventType.MariaDbGtid && !begin.Standalone);
                committedAt = begin.CommitMicroseconds is { } precise ? precise / 1_000_000 : begin.UnixSeconds;
                InTransaction = true;
                // MySQL says XA START instead.
                holding = begin.XaPrepared ? new HeldRows() : null;
                break;
            case QueryEvent query:
                Query(query);
                break;
            case RowsEvent change:
                Begin(change);
                break;
            case XidEvent or XaPrepareEvent { OnePhase: true }:
                Release(holding, null);
                break;
            case XaPrepareEvent prepare:
                Prepare(prepare);
                break;
            case RotateEvent rotate when !InTransaction:
                tracker.Move(rotate.NextFile, rotate.NextOffset);
                step = StreamStep.Place;
                break;
            case HeartbeatEvent when !InTransaction:
                tracker.Move(next.File, next.EndOffset);
                step = StreamStep.Place;
                break;
        }
    }

    /// <summary>The next row that became valid by the event.</summary>
    public bool TryRead(RowChange into)
    {
        if (released is not null)
        {
            HasShownPart = true;
            return released.TryTake(into);
        }

        while (rows is not null && rows.TryRead(table!.Decoder, table.Before, table.After))
        {
            var hides = rows is { LogsCascades: false, IgnoresForeignKeys: false, Kind: not RowsKind.Insert };
            if (holding is null)
            {
                into.Set(table, rows.Kind, table.Before, table.After, hides);
                return HasShownPart = true;
            }

            holding.Add(table, rows.Kind, hides);
            if (holding.Bytes > MostHeldBytes)
            {
                throw SyncErrors.XaTooLarge(gtid ?? "", Place(rows));
            }
        }

        return false;
    }

    /// <summary>Where the event, whose rows are read, leaves the stream.</summary>
    /// <param name="at">Seconds since 1970 at which the transaction that ended was committed; 0: unknown.</param>
    public StreamStep End(out long at)
    {
        at = committedAt > 0 ? committedAt : last?.UnixSeconds ?? 0;
        var was = step;
        step = StreamStep.Within;
        if (was != StreamStep.Transaction)
        {
            return was;
        }

        if (preparedXid is not null)
        {
            tracker.Prepare(preparedXid, gtid, last!);
        }
        else
        {
            if (endedXid is not null)
            {
                // Not before: in the middle of it the stream must still begin again at its prepare.
                tracker.Release(endedXid);
            }

            tracker.End(gtid, last!);
        }

        (InTransaction, HasShownPart, gtid, begun, hasRows, committedAt) = (false, false, null, false, false, 0);
        (endedXid, preparedXid, released, holding) = (null, null, null, null);
        return StreamStep.Transaction;
    }

    /// <summary>True once for an XA transaction that was committed, and whose rows stand in front of the stream's start.</summary>
    public bool TakeMissedXa()
    {
        var was = missedXa;
        missedXa = false;
        return was;
    }

    private static string Place(BinlogEvent at) => string.Create(CultureInfo.InvariantCulture, $"{at.File}:{at.EndOffset}");

    private void Begin(RowsEvent change)
    {
        table = tables.Find(change.Table);
        if (table is null)
        {
            return;
        }

        if (!change.HasFullImages)
        {
            throw SyncErrors.RowImageIncomplete(change.Table.Table, Place(change));
        }

        (rows, hasRows) = (change, true);
    }

    private void Query(QueryEvent query)
    {
        var statement = query.Statement.AsSpan().Trim();
        if (Is(statement, "BEGIN"))
        {
            InTransaction = begun = true;
        }
        else if (Is(statement, "COMMIT"))
        {
            Release(holding, null);
        }
        else if (Is(statement, "ROLLBACK"))
        {
            ThrowIfRolledBack(query);
            step = StreamStep.Transaction;
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
            holding = new HeldRows();
        }
        else if (Begins(statement, "XA COMMIT"))
        {
            var xid = statement["XA COMMIT".Length..].Trim().ToString();
            prepared.Remove(xid, out var held);
            missedXa |= held is null;
            Release(held, xid);
        }
        else if (Begins(statement, "XA ROLLBACK"))
        {
            var xid = statement["XA ROLLBACK".Length..].Trim().ToString();
            prepared.Remove(xid);
            Release(null, xid);
        }
        else
        {
            Statement(query);
        }
    }

    private void Statement(QueryEvent query)
    {
        var verdict = tables.Check(query);
        if (verdict.Effect != StatementEffect.None)
        {
            throw verdict.Effect == StatementEffect.RowsByStatement
                ? SyncErrors.StatementNotCaptured(verdict, Place(query))
                : SyncErrors.SchemaChanged(verdict, Place(query));
        }

        // A statement that is no part of a BEGIN stands alone and ends its transaction.
        step = begun ? StreamStep.Within : StreamStep.Transaction;
    }

    private void ThrowIfRolledBack(QueryEvent query)
    {
        if (hasRows)
        {
            throw SyncErrors.RolledBack(Place(query));
        }
    }

    private void Prepare(XaPrepareEvent prepare)
    {
        prepared[prepare.Xid] = holding ?? new HeldRows();
        (preparedXid, step) = (prepare.Xid, StreamStep.Transaction);
    }

    /// <summary>The transaction ends when what was held of it is read.</summary>
    private void Release(HeldRows? held, string? xid) => (released, endedXid, holding, step) = (held, xid, null, StreamStep.Transaction);

    private static bool Is(ReadOnlySpan<char> statement, string word) => statement.Equals(word, StringComparison.OrdinalIgnoreCase);

    private static bool Begins(ReadOnlySpan<char> statement, string words) => statement.StartsWith(words, StringComparison.OrdinalIgnoreCase);
}
