using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>What the stream says of rows, counted.</summary>
internal sealed class RowCounts
{
    public long Inserted;
    public long Updated;
    public long Deleted;
}

/// <summary>
/// Turns the events of a stream into the changes of a window, transaction by transaction. Rows of an XA transaction are held from its prepare to its
/// end.
/// </summary>
internal sealed class ChangeReader(BoundTables tables, StreamTracker tracker, RowCounts counts, bool setAside, bool followCascades) : IDisposable
{
    private const int MostHeld = 1_000_000;

    private readonly Dictionary<string, ChangeWindow> prepared = [];
    private ChangeWindow? xa;
    private RowsEvent? rows;
    private BoundTable? table;
    private string? gtid;
    private long committedAt;
    private bool begun;
    private long rowsInTransaction;
    private bool cascading;

    /// <summary>Receives the changes; exchanged between two calls when it is full, or at the end of a transaction.</summary>
    public required ChangeWindow Window { get; set; }

    /// <summary>Changes of parent rows whose children the binlog does not tell; to be followed at the end of the transaction.</summary>
    public List<CascadeTrigger> Cascades { get; } = [];

    /// <summary>True between the begin of a transaction and its end.</summary>
    public bool InTransaction { get; private set; }

    /// <summary>True when the window has some rows of a transaction and not yet all.</summary>
    public bool HasPart => InTransaction && rowsInTransaction > 0 && xa is null;

    /// <summary>Takes an event; followed by <see cref="ReadRows"/> until that returns true.</summary>
    public void Accept(BinlogEvent next)
    {
        rows = null;
        switch (next)
        {
            case GtidEvent begin:
                // MariaDB has no BEGIN behind it, except where a statement stands alone; MySQL's says it.
                (gtid, begun) = (begin.Gtid, begin.Type == BinlogEventType.MariaDbGtid && !begin.Standalone);
                committedAt = begin.CommitMicroseconds is { } precise ? precise / 1_000_000 : begin.UnixSeconds;
                InTransaction = true;
                break;
            case QueryEvent query:
                Query(query);
                break;
            case RowsEvent change:
                BeginRows(change);
                break;
            case XidEvent:
                End(next);
                break;
            case XaPrepareEvent { OnePhase: true }:
                Release();
                End(next);
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

    /// <summary>Reads the rows of the event; false when the window is full: go on with the next one.</summary>
    public bool ReadRows()
    {
        if (rows is null || table is null)
        {
            return true;
        }

        var window = xa ?? Window;
        while (!window.IsFull || xa is not null)
        {
            if (!rows.TryRead(table.Decoder, table.Before, table.After))
            {
                rows = null;
                return true;
            }

            rowsInTransaction++;
            window.Rows++;
            Take(window);
        }

        return xa is not null || !window.IsFull;
    }

    public void Dispose()
    {
        xa?.Dispose();
        foreach (var held in prepared.Values)
        {
            held.Dispose();
        }
    }

    private static string Place(BinlogEvent at) => string.Create(CultureInfo.InvariantCulture, $"{at.File}:{at.EndOffset}");

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

    private void Take(ChangeWindow window)
    {
        if (cascading)
        {
            var unlogged = xa is null ? Cascades : xa.Cascades;
            var before = unlogged.Count;
            tables.Cascades.Collect(table!.Model, table.Before, rows!.Kind == RowsKind.Delete ? null : table.After, unlogged);
            if (unlogged.Count > before && !followCascades)
            {
                throw SyncErrors.CascadeUnlogged(table.Model.Table.Name, unlogged[^1].Link.Child.Table.Name, Place(rows));
            }
        }

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

    private void Query(QueryEvent query)
    {
        var statement = query.Statement.AsSpan().Trim();
        if (Is(statement, "BEGIN"))
        {
            InTransaction = begun = true;
        }
        else if (Is(statement, "COMMIT"))
        {
            End(query);
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
            xa = new ChangeWindow();
        }
        else if (Begins(statement, "XA COMMIT"))
        {
            Commit(statement["XA COMMIT".Length..].Trim().ToString(), query);
            End(query);
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

        prepared[prepare.Xid] = xa ?? new ChangeWindow();
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

        Window.Take(held);
        Cascades.AddRange(held.Cascades);
        held.Dispose();
        tracker.Release(xid);
    }

    private void Forget(string xid)
    {
        if (prepared.Remove(xid, out var held))
        {
            held.Dispose();
            tracker.Release(xid);
        }
    }

    private void Release()
    {
        if (xa is not null)
        {
            Window.Take(xa);
            Cascades.AddRange(xa.Cascades);
            xa.Dispose();
            xa = null;
        }
    }

    private void End(BinlogEvent last)
    {
        tracker.End(gtid, last);
        Close(last);
    }

    private void Close(BinlogEvent last)
    {
        Window.Transactions++;
        Window.CommittedAt = Math.Max(Window.CommittedAt, committedAt > 0 ? committedAt : last.UnixSeconds);
        Window.HasEnd = true;
        (InTransaction, gtid, begun, rowsInTransaction, committedAt) = (false, null, false, 0, 0);
    }

    private void Stand(string file, long offset)
    {
        tracker.Move(file, offset);
        Window.HasEnd = true;
    }

    private static bool Is(ReadOnlySpan<char> statement, string word) => statement.Equals(word, StringComparison.OrdinalIgnoreCase);

    private static bool Begins(ReadOnlySpan<char> statement, string words) => statement.StartsWith(words, StringComparison.OrdinalIgnoreCase);
}
