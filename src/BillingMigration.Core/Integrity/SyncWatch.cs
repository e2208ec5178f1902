using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Source.Changes;

namespace BillingMigration.Integrity;

/// <summary>Knows what of the source's changes is written into the table: by the checkpoint of the change stream, and by the binlog itself.</summary>
internal sealed class SyncWatch(MigrationSession session, SnapshotRun run, ChangeProbe changes, TimeSpan patience) : IWrittenWatch
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public bool TableLeads => false;

    /// <summary>True when every change of a migrated row up to a position is written.</summary>
    public async Task<bool> IsWrittenAsync(SourcePosition position, CancellationToken cancellationToken)
    {
        var written = await WrittenAsync(cancellationToken);
        return HasReached(written, position) || !await changes.AnyAsync(written, position, cancellationToken);
    }

    public async Task<bool> WaitWrittenAsync(SourcePosition position, CancellationToken cancellationToken)
    {
        if (await IsWrittenAsync(position, cancellationToken))
        {
            return true;
        }

        SourcePosition? before = null;
        var since = session.Time.GetTimestamp();
        while (session.Time.GetElapsedTime(since) < patience)
        {
            var written = await WrittenAsync(cancellationToken);
            if (HasReached(written, position))
            {
                return true;
            }

            if (written != before)
            {
                (before, since) = (written, session.Time.GetTimestamp());
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }

        return await IsWrittenAsync(position, cancellationToken);
    }

    /// <summary>
    /// True when what the change stream writes next is newer than what the table has: it has passed all that was read ahead of it. Before that it may write an old state of a row again. Waits as long as it moves.
    /// </summary>
    public async Task<bool> WaitConsistentAsync(CancellationToken cancellationToken)
    {
        SyncCheckpoint? before = null;
        var since = session.Time.GetTimestamp();
        while (true)
        {
            var sync = await session.Control.FindSyncAsync(run.RunId, cancellationToken);
            if (sync is null)
            {
                return run.End is { } end && !await changes.AnyAsync(run.Start, end, cancellationToken);
            }

            if (sync.State == SyncState.Consistent)
            {
                return true;
            }

            if (before is null || sync.SavedAt != before.SavedAt)
            {
                (before, since) = (sync, session.Time.GetTimestamp());
            }
            else if (session.Time.GetElapsedTime(since) >= patience)
            {
                return false;
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    public string StandsStill(SourcePosition position) =>
        $"The change stream does not come to {position}, so what differs may be on its way. Run Sync-BillingChanges, with -Follow while applications write, and check again.";

    private static bool HasReached(SourcePosition written, SourcePosition position) => new StreamPoint(written, written).HasReached(position);

    private async Task<SourcePosition> WrittenAsync(CancellationToken cancellationToken)
    {
        var sync = await session.Control.FindSyncAsync(run.RunId, cancellationToken);
        return sync is null ? run.Start : sync.Seen ?? sync.Position;
    }
}
