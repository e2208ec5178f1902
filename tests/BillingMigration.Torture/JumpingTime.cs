namespace BillingMigration.Torture;

/// <summary>A wall clock that is set an hour ahead or back from time to time; the monotonic clock goes on as it does.</summary>
internal sealed class JumpingTime(int seed) : TimeProvider
{
    private readonly Random random = new(seed);
    private readonly object guard = new();
    private long next = System.GetTimestamp();
    private TimeSpan offset;

    public override DateTimeOffset GetUtcNow()
    {
        lock (guard)
        {
            if (System.GetTimestamp() > next)
            {
                next = System.GetTimestamp() + (System.TimestampFrequency * random.Next(1, 10));
                offset = random.Next(3) switch { 0 => TimeSpan.Zero, 1 => TimeSpan.FromMinutes(random.Next(1, 60)), _ => TimeSpan.FromMinutes(-random.Next(1, 60)) };
            }

            return base.GetUtcNow() + offset;
        }
    }
}
