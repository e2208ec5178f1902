using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>What the stream says of rows, counted.</summary>
internal sealed class RowCounts
{
    public long Inserted;
    public long Updated;
    public long Deleted;
}

/// <summary>Why <see cref="ChangeReader.Read"/> came back.</summary>
internal enum ReadState
{
    /// <summary>The event is done.</summary>
    Done,

    /// <summary>The window is full: go on with the next one.</summary>
    Full,

    /// <summary>The children of <see cref="ChangeReader.Batch"/> are to be followed; go on after <see cref="ChangeReader.CascadesFollowed"/>.</summary>
    Cascade,

    /// <summary>The row of <see cref="ChangeReader.Table"/> waits for what its lookups give, or its children for new keys.</summary>
    Lookup,
}

/// <summary>
/// Turns the events of a stream into the changes of a window, transaction by transaction. Rows of an XA transaction are held from its prepare to its
/// end. What was applied before the stream was taken up again is read over.
/// </summary>
/// <param name="applied">Everything before it is applied, though the stream begins earlier; null: it begins there.</param>
/// <param name="rowsApplied">Rows that are applied of the transaction behind that place.</param>
internal sealed partial class ChangeReader(BoundTables tables, StreamTracker tracker, RowCounts counts, bool setAside, SourcePosition? applied, long rowsApplied) : IDisposable
{
    private const int MostHeld = 1_000_000;

    private readonly Dictionary<string, HeldTransaction> prepared = [];
    private readonly List<CascadeTrigger> triggers = [];
    private SourcePosition? passing = applied;
    private long rowsDone = rowsApplied;
    private HeldTransaction? xa;
    private HeldTransaction? released;
    private string? releasedXid;
    private RowsEvent? rows;
    private BinlogEvent? waiting;
    private BinlogEvent? releasing;
    private BoundTable? table;
    private string? gtid;
    private long committedAt;
    private bool begun;
    private bool rowWaits;
    private bool cascading;
    private long rowsInTransaction;

    /// <summary>Receives the changes; exchanged between two calls when it is full, or at the end of a transaction.</summary>
    public required ChangeWindow Window { get; set; }

    /// <summary>Null when no key is made with a lookup.</summary>
    public LookupValues? Lookups { get; init; }

    /// <summary>The table of the row under way.</summary>
    public BoundTable? Table => table;

    /// <summary>Parent rows whose children the binlog does not tell.</summary>
    public CascadeBatch? Batch { get; private set; }

    /// <summary>Rows that were applied before of the transaction that comes next, or is under way; a place in front of it must go on saying so.</summary>
    public long RowsApplied => rowsDone;

    /// <summary>True between the begin of a transaction and its end.</summary>
    public bool InTransaction { get; private set; }

    /// <summary>True when the window has some rows of a transaction and not yet all.</summary>
    public bool HasPart => InTransaction && (rowsInTransaction > 0 || released is not null) && xa is null;

    /// <summary>Takes an event; followed by <see cref="Read"/> until that is done.</summary>
    public void Accept(BinlogEvent next)
    {
        rows = null;
        if (Batch is not null && next is not (RowsEvent or TableMapEvent))
        {
            // What else there is in a transaction may be its end: the batch comes first.
            waiting = next;
            return;
        }

        Process(next);
    }

    /// <summary>Reads the rows of the event.</summary>
    public ReadState Read()
    {
        if (waiting is { } next)
        {
            if (CutHere())
            {
                return ReadState.Cascade;
            }

            waiting = null;
            Process(next);
        }

        if (released is not null)
        {
            return Release();
        }

        if (rows is null || table is null)
        {
            return ReadState.Done;
        }

        while (true)
        {
            if (!rowWaits)
            {
                if (xa is null && Window.IsFull)
                {
                    return ReadState.Full;
                }

                if (!rows.TryRead(table.Decoder, table.Before, table.After))
                {
                    rows = null;
                    return Batch is { IsFull: true } && CutHere() ? ReadState.Cascade : ReadState.Done;
                }

                if (!Count())
                {
                    Lookups?.Pass(table.Model, rows.Kind, table.Before, table.After);
                    continue;
                }
            }

            if (Lookups is not null && !Lookups.TryFill(table.Model, rows.Kind, table.Before, table.After))
            {
                rowWaits = true;
                return CutHere() ? ReadState.Cascade : ReadState.Lookup;
            }

            rowWaits = false;
            if (Batch is { } open && (open.IsFull || !open.Accepts(table.Model, rows.Kind, triggers)) && CutHere())
            {
                rowWaits = true;
                return ReadState.Cascade;
            }

            Take();
            Lookups?.Pass(table.Model, rows.Kind, table.Before, table.After);
        }
    }

    /// <summary>The batch is written, its own rows too.</summary>
    public void CascadesFollowed()
    {
        Batch?.Dispose();
        Batch = null;
    }

    public void Dispose()
    {
        Batch?.Dispose();
        xa?.Dispose();
        released?.Dispose();
        foreach (var held in prepared.Values)
        {
            held.Dispose();
        }
    }

    private static string Place(BinlogEvent at) => string.Create(CultureInfo.InvariantCulture, $"{at.File}:{at.EndOffset}");

    private void Process(BinlogEvent next)
    {
        switch (next)
        {
            case GtidEvent begin:
                // MariaDB has no BEGIN behind it, except where a statement stands alone; MySQL's says it.
                (gtid, begun) = (begin.Gtid, begin.Type == BinlogEventType.MariaDbGtid && !begin.Standalone);
                committedAt = begin.CommitMicroseconds is { } precise ? precise / 1_000_000 : begin.UnixSeconds;
                InTransaction = true;
                if (begin.XaPrepared)
                {
                    // MySQL says XA START instead.
                    xa = new HeldTransaction();
                }

                break;
            case QueryEvent query:
                Query(query);
                break;
            case RowsEvent change:
                BeginRows(change);
                break;
            case XidEvent:
                CommitAtOnce(next);
                break;
            case XaPrepareEvent { OnePhase: true }:
                CommitAtOnce(next);
                break;
            case XaPrepareEvent prepare:
                Prepare(prepare);
                break;
            case RotateEvent rotate when !InTransaction:
                Stand(rotate.NextFile, rotate.NextOffset);
                break;
            case HeartbeatEvent when !InTransaction:
                Stand(next.File, next.EndOffset);
                break;
        }
    }

    /// <summary>Counts a row, and finds what it does to children; false when it is applied already.</summary>
    private bool Count()
    {
        rowsInTransaction++;
        if (xa is null && (passing is not null || rowsInTransaction <= rowsDone))
        {
            return false;
        }

        triggers.Clear();
        if (cascading)
        {
            tables.Cascades.Collect(table!.Model, table.Before, rows!.Kind == RowsKind.Delete ? null : table.After, triggers);
        }

        if (Lookups is not null)
        {
            ExpectLookups();
        }

        return true;
    }

    /// <summary>Ends the open batch. False when it is held, and nothing is to be done now.</summary>
    private bool CutHere()
    {
        if (xa is null)
        {
            return Batch is not null;
        }

        if (Batch is { } held)
        {
            xa.Cut(held.RowsBefore, held);
            Batch = null;
        }

        return false;
    }

    /// <summary>Hands over what an XA transaction held, part by part, and ends it.</summary>
    private ReadState Release()
    {
        while (released!.Next() is { } part)
        {
            if (passing is null && part.Rows > rowsDone)
            {
                Window.Take(part.Changes);
            }

            part.Changes.Dispose();
            if (part.Batch is { } batch && passing is null && batch.RowsAfter > rowsDone)
            {
                Batch = batch;
                return ReadState.Cascade;
            }

            part.Batch?.Dispose();
        }

        released.Dispose();
        released = null;
        if (releasedXid is not null)
        {
            // Not before: in the middle of it the stream must still begin again at its prepare.
            tracker.Release(releasedXid);
            releasedXid = null;
        }

        End(releasing!);
        return ReadState.Done;
    }

    private void BeginRows(RowsEvent change)
    {
        table = tables.Find(change.Table);
        if (table is null)
        {
            if (CascadesUnseen(change) && change.Table.Database == tables.Database && tables.Cascades.IsStrangeParent(change.Table.Table))
            {
                throw SyncErrors.CascadeFromStranger(change.Table.Table, Place(change));
            }

            return;
        }

        cascading = CascadesUnseen(change) && tables.Cascades.HasLinks(table.Model);
        rowWaits = false;
        if (!change.HasFullImages)
        {
            throw SyncErrors.RowImageIncomplete(change.Table.Table, Place(change));
        }

        if (xa is { Count: > MostHeld })
        {
            throw SyncErrors.XaTooLarge(gtid ?? "", Place(change));
        }

        rows = change;
    }

    private static bool CascadesUnseen(RowsEvent change) => change is { LogsCascades: false, IgnoresForeignKeys: false, Kind: not RowsKind.Insert };

    private void Take()
    {
        if (triggers.Count > 0)
        {
            Batch ??= new CascadeBatch(table!.Model, rows!.Kind, rowsInTransaction - 1);
        }

        Batch?.Add(triggers);
        var window = Batch?.Own ?? xa?.Window ?? Window;
        window.Rows++;
        switch (rows!.Kind)
        {
            case RowsKind.Insert:
                counts.Inserted++;
                Put(window, table!.Encoder, table.After, setAside);
                break;
            case RowsKind.Delete:
                counts.Deleted++;
                Delete(window);
                break;
            default:
                counts.Updated++;
                if (table!.KeyChanged())
                {
                    Delete(window);
                }

                Put(window, table!.Encoder, table.After, setAside);
                break;
        }
    }

    /// <exception cref="MigrationException"><c>RowsRefused</c>, unless such rows are set aside.</exception>
    public static void Put(ChangeWindow window, ItemEncoder encoder, RowBuffer row, bool setAside)
    {
        if (window.TryPut(encoder, row, out var refusal))
        {
            return;
        }

        var refused = new SetAsideRow(encoder.Model.Entity, encoder.Model.Describe(row), refusal.ReasonId, refusal.Reason);
        if (!setAside)
        {
            throw SyncErrors.RowRefused(refused);
        }

        // What the table has of the row is out of date.
        window.TryDelete(encoder, row, out _);
        window.SetAside.Add(refused);
    }

    // A row without a key never was an item.
    private void Delete(ChangeWindow window) => window.TryDelete(table!.Encoder, table.Before, out _);

    private void End(BinlogEvent last)
    {
        tracker.End(gtid, last);
        rowsDone = passing is null ? 0 : rowsDone;
        Close(last);
    }

    private void Close(BinlogEvent last)
    {
        Window.Transactions += passing is null ? 1 : 0;
        Window.CommittedAt = Math.Max(Window.CommittedAt, committedAt > 0 ? committedAt : last.UnixSeconds);
        Stop();
        (InTransaction, gtid, begun, rowsInTransaction, committedAt) = (false, null, false, 0, 0);
    }

    private void Stand(string file, long offset)
    {
        tracker.Move(file, offset);
        Stop();
    }

    /// <summary>Stands between two transactions; what is written reaches as far, unless it reached further before.</summary>
    private void Stop()
    {
        if (passing is not null && tracker.Now().HasReached(passing))
        {
            passing = null;
        }

        Window.HasEnd |= passing is null;
    }
}
