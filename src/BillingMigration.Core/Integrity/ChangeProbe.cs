using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Integrity;

/// <summary>A row that the binlog names, before and after its change; one of them may be null.</summary>
internal delegate bool RowChanged(EntityModel model, RowBuffer? before, RowBuffer? after);

/// <summary>Reads from the binlog which rows of migrated tables changed between two positions.</summary>
/// <param name="now">The file that the server writes, as it was seen a moment ago; null: nobody looked.</param>
internal sealed class ChangeProbe(MigrationSession session, BillingModel model, CharsetTable charsets, BinlogMark? now)
{
    private BinlogMark? known;
    private readonly BinlogConnectionOptions options = new() { BaseDirectory = session.Source.BaseDirectory, StopAtEnd = true };

    /// <summary>Whether a migrated row changed behind <paramref name="from"/> and up to <paramref name="to"/>; true also when it cannot be told.</summary>
    public async Task<bool> AnyAsync(SourcePosition from, SourcePosition to, CancellationToken cancellationToken)
    {
        var any = false;
        try
        {
            return !await ReadAsync(from, to, (_, _, _) => !(any = true), cancellationToken) || any;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && (e is MigrationException or BinlogConnectionLostException))
        {
            return true;
        }
    }

    /// <summary>Shows every change of a migrated row; the visitor ends the reading by returning false.</summary>
    /// <returns>
    /// False when some change cannot be told from the binlog: a statement, a cascade that is not logged, or whether it is the one of the position.
    /// </returns>
    /// <exception cref="MigrationException">
    /// The binlog cannot be read, no longer has the position, or is another one (<c>SourceHistoryChanged</c>).
    /// </exception>
    public async Task<bool> ReadAsync(SourcePosition from, SourcePosition to, RowChanged changed, CancellationToken cancellationToken)
    {
        if (!await IsSameHistoryAsync(from, cancellationToken))
        {
            return false;
        }

        if (Covers(from, to))
        {
            return true;
        }

        var tables = new BoundTables(model, charsets);
        var prepared = new HashSet<string>(StringComparer.Ordinal);
        bool isTold(QueryEvent query) => TransactionControl.Of(query.Statement, out var xid) switch
        {
            TransactionVerb.None => tables.Check(query).Effect == StatementEffect.None,

            // What was prepared before the first position changes its rows now.
            TransactionVerb.XaCommit => prepared.Remove(xid),
            _ => true,
        };
        var connection = await BinlogConnection.OpenAsync(session.Source.Source, session.Source.Credential, BinlogStart.At(from), options, session.Time, cancellationToken);
        await using var decoder = new BinlogDecoder(connection);
        while (await decoder.ReadAsync(cancellationToken) is { } next)
        {
            if ((next is QueryEvent query && !isTold(query)) || (next is XaPrepareEvent { OnePhase: false } prepare && !prepared.Add(prepare.Xid)))
            {
                return false;
            }

            if (next is RowsEvent rows && tables.Find(rows.Table) is { } table)
            {
                if (!rows.HasFullImages)
                {
                    return false;
                }

                var hides = rows is { LogsCascades: false, IgnoresForeignKeys: false };
                while (rows.TryRead(table.Decoder, table.Before, table.After))
                {
                    if (rows.Kind != RowsKind.Insert && model.Links.OfParent(table.Model).Any(
                        link => (link.IsLookup || hides) && link.Acts(table.Before, rows.Kind == RowsKind.Delete ? null : table.After)))
                    {
                        return false;
                    }

                    if (!model.IsMigrated(table.Model))
                    {
                        continue;
                    }

                    if (!changed(table.Model, rows.Kind == RowsKind.Insert ? null : table.Before, rows.Kind == RowsKind.Delete ? null : table.After))
                    {
                        return true;
                    }
                }
            }

            if (!next.Artificial && next.File.Length > 0 && to.File is not null && StreamPoint.Compare((next.File, next.EndOffset), (to.File, to.Offset ?? 0)) >= 0)
            {
                return true;
            }
        }

        return true;
    }

    /// <summary>Places of one history cannot be held against another's.</summary>
    private async Task<bool> IsSameHistoryAsync(SourcePosition from, CancellationToken cancellationToken)
    {
        // The file that a server writes is of one piece: it makes another whenever it starts.
        if (from.Mark is not { } mark || mark == known || (mark.File, mark.MadeAt) == (now?.File, now?.MadeAt))
        {
            return true;
        }

        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        switch (await SourceHistory.FindAsync(session.Source, connection, from, anew: false, session.Time, cancellationToken))
        {
            case SourceHistoryState.Another:
                throw IntegrityErrors.HistoryChanged(from, session.Source.Source.Host);
            case SourceHistoryState.Unknown:
                return false;
            default:
                known = mark;
                return true;
        }
    }

    private static bool Covers(SourcePosition from, SourcePosition to) => new StreamPoint(from, from).HasReached(to);
}
