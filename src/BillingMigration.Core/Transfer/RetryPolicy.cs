namespace BillingMigration.Transfer;

/// <summary>How long and how patiently a request is tried again.</summary>
public sealed record RetryPolicy
{
    /// <summary>Trouble that lasts this long without a single success ends the job; its checkpoint is kept. Until then the job waits, and goes on by itself.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Upper bound of the first wait; it doubles with each failure in a row. The wait itself is random between zero and the bound.</summary>
    public TimeSpan BaseDelay { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Largest upper bound of a wait.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>One attempt, from connecting to the beginning of the answer, and each pause in it: ends what a black hole swallows. What a slow link needs for the bytes under way is added to it.</summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// A request whose connection broke may still be at work in the service: what comes behind it for the same key waits until so long after. Batches are repeated at once; only their end is held back.
    /// </summary>
    public TimeSpan SettleTime { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Random numbers from 0 to 1; the same ones again when a simulation is replayed.</summary>
    internal Func<double> Random { get; init; } = System.Random.Shared.NextDouble;

    /// <summary>Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).</summary>
    /// <param name="failuresInRow">1 after the first failure.</param>
    /// <param name="random">0 to 1.</param>
    internal TimeSpan Delay(int failuresInRow, double random)
    {
        var bound = Math.Min(MaxDelay.TotalMilliseconds, BaseDelay.TotalMilliseconds * Math.Pow(2, Math.Min(failuresInRow - 1, 30)));
        return TimeSpan.FromMilliseconds(bound * random);
    }
}
