using BillingMigration.Source;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>Reads the stream a second time, ahead of the place that is followed, for changes of looked-up parents only.</summary>
internal sealed class LookupScout(MigrationSession session, BoundTables tables, SourcePosition start, BinlogConnectionOptions options, LookupValues values) : IAsyncDisposable
{
    private readonly BoundTables own = tables.Again();
    private BinlogDecoder? decoder;
    private (string File, long Offset) at = ("", 0);

    /// <summary>Returns when all up to a position of the server that is connected now is announced.</summary>
    public async Task ReadToAsync(SourcePosition end, CancellationToken cancellationToken)
    {
        decoder ??= new BinlogDecoder(
            await BinlogConnection.OpenAsync(session.Source.Source, session.Source.Credential, BinlogStart.At(start), options, session.Time, cancellationToken));
        while (at.File.Length == 0 || StreamPoint.Compare(at, (end.File!, end.Offset!.Value)) < 0)
        {
            var next = await decoder.ReadAsync(cancellationToken);
            switch (next)
            {
                case RowsEvent rows when own.Find(rows.Table) is { } table && tables.Lookups.OfParent(table.Model).Any():
                    while (rows.TryRead(table.Decoder, table.Before, table.After))
                    {
                        values.Announce(table.Model, rows.Kind, table.Before, table.After);
                    }

                    break;
                case RotateEvent rotate:
                    at = (rotate.NextFile, rotate.NextOffset);
                    break;
                // The end of a compressed transaction is known from its first event on.
                case XidEvent or XaPrepareEvent or HeartbeatEvent or StopEvent or QueryEvent { Statement: not "BEGIN" }:
                    at = (next.File, next.EndOffset);
                    break;
                case null:
                    return;
            }
        }
    }

    public ValueTask DisposeAsync() => decoder?.DisposeAsync() ?? ValueTask.CompletedTask;
}
