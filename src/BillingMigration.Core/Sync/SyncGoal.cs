using BillingMigration.Source;
using BillingMigration.Source.Changes;
using MySqlConnector;

namespace BillingMigration.Sync;

/// <summary>Knows when a sync has reached what was asked for.</summary>
internal sealed class SyncGoal(MigrationSession session, SyncUntil? until) : IDisposable
{
    /// <summary>A source that goes on changing is caught up with when everything up to a position no older than this is written.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>How long a source is given to come to rest.</summary>
    private static readonly TimeSpan Restless = TimeSpan.FromSeconds(10);

    private MySqlConnection? connection;
    private SourceServer? server;
    private SourcePosition? target;
    private long askedAt;
    private long? currentSince;

    public async ValueTask<bool> IsReachedAsync(SyncLedger ledger, DateTimeOffset? committedAt, CancellationToken cancellationToken) => until switch
    {
        null => false,
        SyncUntil.Told told => told.Value.IsCompletedSuccessfully && ledger.Applied.HasReached(told.Value.Result) && ledger.State == Control.SyncState.Consistent,
        SyncUntil.Position position => ledger.Applied.HasReached(position.Value),
        SyncUntil.Time time => committedAt >= time.Value || (session.Time.GetUtcNow() >= time.Value && await IsCaughtUpAsync(ledger.Applied, cancellationToken)),
        // In this order: what is written meanwhile may be followed by something to compare.
        _ => ledger.Applied is var applied && MayBeCaughtUp(ledger) && await IsCaughtUpAsync(applied, cancellationToken),
    };

    /// <summary>Completed when it may have been reached by something other than the stream; null: never.</summary>
    public Task? Told => until is SyncUntil.Told { Value.IsCompleted: false } told ? told.Value : null;

    public void Dispose() => connection?.Dispose();

    /// <summary>A source whose rows are read again all the time is never consistent at a place of its stream, and can be caught up with all the same.</summary>
    private bool MayBeCaughtUp(SyncLedger ledger)
    {
        if (!ledger.IsCurrent)
        {
            currentSince = null;
            return false;
        }

        currentSince ??= session.Time.GetTimestamp();
        return ledger.State == Control.SyncState.Consistent || session.Time.GetElapsedTime(currentSince.Value) > Restless;
    }

    private async ValueTask<bool> IsCaughtUpAsync(StreamPoint applied, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (target is null)
            {
                askedAt = session.Time.GetTimestamp();
                target = await AskAsync(cancellationToken);
                SourceChange.EnsureNotBehind(session.Source, applied.Seen, target);
            }

            if (target.ServerIdentity != applied.Seen.ServerIdentity)
            {
                // Another server answers than the one that is followed: ask again when the stream comes from there too.
                Forget();
                return false;
            }

            if (!applied.HasReached(target))
            {
                return false;
            }

            if (session.Time.GetElapsedTime(askedAt) < Fresh)
            {
                return true;
            }

            target = null;
        }

        return false;
    }

    private async Task<SourcePosition> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (connection is null)
            {
                connection = await session.Source.OpenConnectionAsync(cancellationToken);
                server = session.Source.Server;
            }

            return await SnapshotPosition.TakeEndAsync(connection, server!, cancellationToken);
        }
        catch
        {
            Forget();
            throw;
        }
    }

    private void Forget()
    {
        connection?.Dispose();
        (connection, target) = (null, null);
    }
}
