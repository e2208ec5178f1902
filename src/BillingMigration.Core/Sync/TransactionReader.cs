using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Model;
using BillingMigration.Source;
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
/// <param name="beginsAnew">Whether some entities are to be compared as a whole, and the schema was read behind a position: how their
/// rows were laid out before does not matter.</param>
internal sealed class TransactionReader(BoundTables tables, StreamTracker tracker, Func<ImmutableArray<EntityModel>, SourcePosition, bool> beginsAnew)
{
    private const long MostHeldBytes = 256L * 1024 * 1024;

    private readonly Dictionary<string, HeldRows> prepared = [];
    private readonly HashSet<TableMap> unreadable = new(ReferenceEqualityComparer.Instance);
    private List<UntoldChange> untold = [];
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
    private bool hasRows;

    /// <summary>True between the begin of a transaction and its end.</summary>
    public bool InTransaction { get; private set; }

    /// <summary>True when rows of a transaction are shown, and not yet all.</summary>
    public bool HasShownPart { get; private set; }

    /// <summary>A position that has everything accepted so far, a transaction under way too.</summary>
    public SourcePosition ReadUpTo => tracker.Including(gtid, last?.File ?? "", last?.EndOffset ?? 0);

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
            case FormatDescriptionEvent head:
                tracker.Open(head);
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

    /// <summary>What the transaction that ended changed without the stream saying which rows.</summary>
    public IReadOnlyList<UntoldChange> TakeUntold()
    {
        var taken = untold;
        if (taken.Count > 0)
        {
            untold = [];
        }

        return taken;
    }

    private static string Place(BinlogEvent at) => string.Create(CultureInfo.InvariantCulture, $"{at.File}:{at.EndOffset}");

    private void Begin(RowsEvent change)
    {
        table = unreadable.Contains(change.Table) ? null : Bind(change);
        if (table is not null)
        {
            (rows, hasRows) = (change, true);
        }
    }

    /// <returns>Null: its rows are no one's, or are compared instead of read.</returns>
    private BoundTable? Bind(RowsEvent change)
    {
        if (tables.ModelOf(change.Table) is not { } model)
        {
            return null;
        }

        try
        {
            var bound = tables.Find(change.Table);
            return change.HasFullImages ? bound : throw SyncErrors.RowImageIncomplete(model, Place(change));
        }
        catch (MigrationException e) when (e.ErrorId is "TableLayoutUnknown" or SyncErrors.RowImageUnfit && beginsAnew(tables.OwnersOf(model), ReadUpTo))
        {
            if (e.ErrorId != SyncErrors.RowImageUnfit)
            {
                unreadable.Add(change.Table);
            }

            Note(UntoldChange.Of("rows", Place(change), $"of {model.Table.Name} cannot be read by the present schema", tables.Reached(model)));
            return null;
        }
        catch (MigrationException e) when (e.ErrorId == "TableLayoutUnknown")
        {
            throw SyncErrors.LayoutUnknown(e, tables.OwnersOf(model), Place(change));
        }
    }

    private void Query(QueryEvent query)
    {
        switch (TransactionControl.Of(query.Statement, out var xid))
        {
            case TransactionVerb.Begin:
                InTransaction = begun = true;
                break;
            case TransactionVerb.Commit:
                Release(holding, null);
                break;
            case TransactionVerb.Rollback:
                ThrowIfRolledBack(query);
                step = StreamStep.Transaction;
                break;
            case TransactionVerb.RollbackTo:
                ThrowIfRolledBack(query);
                break;
            case TransactionVerb.XaStart:
                InTransaction = begun = true;
                holding = new HeldRows();
                break;
            case TransactionVerb.XaCommit:
                if (!prepared.Remove(xid, out var held))
                {
                    Note(UntoldChange.Of("XA COMMIT", Place(query),
                        "ended a transaction whose rows stand in front of the stream's start", tables.Model.Entities));
                }

                Release(held, xid);
                break;
            case TransactionVerb.XaRollback:
                prepared.Remove(xid);
                Release(null, xid);
                break;
            case TransactionVerb.None:
                Statement(query);
                break;
        }
    }

    private void Statement(QueryEvent query)
    {
        var outcome = tables.Check(query);
        if (outcome.Effect == StatementEffect.Rows || (outcome.Effect != StatementEffect.None && beginsAnew(outcome.Owners, ReadUpTo)))
        {
            Note(UntoldChange.Of(outcome, Place(query)));
        }
        else if (outcome.Effect != StatementEffect.None)
        {
            throw SyncErrors.SchemaChanged(outcome, Place(query));
        }

        // A statement that is no part of a BEGIN stands alone and ends its transaction.
        step = begun ? StreamStep.Within : StreamStep.Transaction;
    }

    /// <summary>What an XA transaction does holds when it ends.</summary>
    private void Note(UntoldChange change) => (holding?.Untold ?? untold).Add(change);

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
    private void Release(HeldRows? held, string? xid)
    {
        (released, endedXid, holding, step) = (held, xid, null, StreamStep.Transaction);
        untold.AddRange(held?.Untold ?? []);
    }
}
