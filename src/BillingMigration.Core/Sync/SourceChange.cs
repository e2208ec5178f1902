using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>
/// Asks, each time that the stream is taken up, which server answers now. A position holds in its own server's history; on another server it holds by
/// GTID only.
/// </summary>
internal static class SourceChange
{
    /// <exception cref="MigrationException">
    /// <c>SourceIdentityChanged</c>: what of the position holds on the new server cannot be told. <c>SourceHistoryChanged</c>: the server's binlog is
    /// another one than that of the position.
    /// </exception>
    public static async Task CheckAsync(MigrationSession session, BillingModel model, SyncLedger ledger, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var server = session.Source.Server;
        var position = ledger.Applied.Restart;
        if (position.ServerIdentity == server.Identity)
        {
            switch (await SourceHistory.FindAsync(session.Source, connection, position, anew: true, session.Time, cancellationToken))
            {
                case SourceHistoryState.Another:
                    throw SyncErrors.HistoryChanged(position, session.Source.Source.Host);
                case SourceHistoryState.Unknown:
                    ledger.Compare(model.Entities);
                    ledger.MoveTo(
                        await SourceHistory.MarkAsync(session.Source, connection, position, session.Time, cancellationToken),
                        await SnapshotPosition.TakeEndAsync(connection, server, cancellationToken));
                    break;
            }

            return;
        }

        if (string.IsNullOrEmpty(position.Gtid) || position.Flavor != server.Flavor)
        {
            throw SyncErrors.IdentityChanged(position, server.Identity, session.Source.Source.Host);
        }

        var now = await SnapshotPosition.TakeEndAsync(connection, server, cancellationToken);
        if (position.Flavor == SourceFlavor.MySql)
        {
            var executed = GtidSet.Parse(now.Gtid ?? "");
            var known = GtidSet.Parse(position.Gtid);
            if (!known.IsSubsetOf(executed) || !ledger.IsExact)
            {
                // Transactions of the old server that the new one never had, written in whole or in part, or read ahead: which rows they changed is not known there.
                ledger.Compare(model.Entities);
                known = known.Intersect(executed);
            }

            position = position with { Gtid = known.ToString() };
        }
        else if (!ledger.IsExact)
        {
            ledger.Compare(model.Entities);
        }

        var there = position with { ServerIdentity = server.Identity, File = null, Offset = null, Mark = null };
        ledger.MoveTo(await SourceHistory.MarkAsync(session.Source, connection, there, session.Time, cancellationToken), now);
    }

    /// <summary>A server that cannot give the stream on may have another one.</summary>
    /// <exception cref="MigrationException"><c>SourceHistoryChanged</c>.</exception>
    public static async Task EnsureSameHistoryAsync(MigrationSession session, SourcePosition position, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        if (await SourceHistory.FindAsync(session.Source, connection, position, anew: true, session.Time, cancellationToken) == SourceHistoryState.Another)
        {
            throw SyncErrors.HistoryChanged(position, session.Source.Source.Host);
        }
    }

    /// <summary>A server that is asked after something was read from its binlog stands no less far.</summary>
    /// <exception cref="MigrationException"><c>SourceHistoryChanged</c>.</exception>
    public static void EnsureNotBehind(SourceConnections source, SourcePosition read, SourcePosition now)
    {
        if (read.ServerIdentity == now.ServerIdentity && read.File is { } file && now.File is { } there
            && StreamPoint.Compare((there, now.Offset ?? 0), (file, read.Offset ?? 0)) < 0)
        {
            throw SyncErrors.HistoryChanged(read, source.Source.Host);
        }
    }

    /// <summary>The stream must come from the server that was asked.</summary>
    public static void EnsureSame(SourceConnections source, string identity)
    {
        if (identity != source.Server.Identity)
        {
            throw new AnotherServerException($"The source {source.Source.Host} is another server than a moment ago: {identity} instead of {source.Server.Identity}.");
        }
    }
}
