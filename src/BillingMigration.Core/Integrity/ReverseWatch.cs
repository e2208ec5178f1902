using BillingMigration.Control;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>Knows what of the table's changes is written back to the source, by the checkpoint of the way back.</summary>
internal sealed class ReverseWatch(MigrationSession session, TimeSpan patience) : IWrittenWatch
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Clocks of the machines and of DynamoDB are not quite the same, and its stream tells whole seconds.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(2);

    public bool TableLeads => true;

    public async Task<bool> WaitWrittenAsync(SourcePosition position, CancellationToken cancellationToken)
    {
        var goal = session.Time.GetUtcNow() + ClockTolerance;
        DateTimeOffset? before = null;
        var since = session.Time.GetTimestamp();
        while (true)
        {
            var upTo = (await session.Control.FindReverseAsync(cancellationToken))?.UpTo;
            if (upTo >= goal)
            {
                return true;
            }

            if (upTo != before)
            {
                (before, since) = (upTo, session.Time.GetTimestamp());
            }
            else if (session.Time.GetElapsedTime(since) >= patience)
            {
                return false;
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    public string StandsStill(SourcePosition position) =>
        "Applications work on the table, and what they write is not written back, so what differs may be on its way. Run Sync-BillingChanges -Direction Reverse, with -Follow while applications write, and check again.";
}
