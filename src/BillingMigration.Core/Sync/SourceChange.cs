using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>Asks, each time that the stream is taken up, which server answers now. A position holds on its own server; on another one it holds by GTID only.</summary>
internal static class SourceChange
{
    /// <exception cref="MigrationException"><c>SourceIdentityChanged</c>: what of the position holds on the new server cannot be told.</exception>
    public static async Task CheckAsync(MigrationSession session, BillingModel model, SyncLedger ledger, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var server = session.Source.Server;
        var position = ledger.Applied.Restart;
        if (position.ServerIdentity == server.Identity)
        {
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

        ledger.MoveTo(position with { ServerIdentity = server.Identity, File = null, Offset = null }, now);
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
