using BillingMigration.Source;

namespace BillingMigration.Snapshot;

/// <summary>Waits out a lost source, longer from time to time; one for each reader.</summary>
internal sealed class SourceRetry(SourceConnections source, TimeSpan giveUpAfter, TimeProvider time)
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private long? failingSince;
    private TimeSpan wait = FirstWait;

    /// <summary>True while the source is being waited for.</summary>
    public bool IsWaiting => failingSince is not null;

    public void Succeeded()
    {
        failingSince = null;
        wait = FirstWait;
    }

    /// <exception cref="MigrationException"><c>SourceLost</c> when it has failed for too long.</exception>
    public async Task WaitAsync(Exception cause, CancellationToken cancellationToken)
    {
        failingSince ??= time.GetTimestamp();
        if (time.GetElapsedTime(failingSince.Value) > giveUpAfter)
        {
            throw SnapshotErrors.SourceLost(source.Source, giveUpAfter, cause);
        }

        // Readers that lost the same server must not all come back in the same instant.
        await Task.Delay(wait * (0.5 + (Random.Shared.NextDouble() / 2)), time, cancellationToken);
        wait = wait * 2 < LongestWait ? wait * 2 : LongestWait;
    }
}
