namespace BillingMigration.Store.Cutover;

/// <summary>Sees whether one side comes nearer to the other while applications go on writing: what does not would be waited for without end.</summary>
internal sealed class CatchUpWatch(TimeProvider time)
{
    /// <summary>As long as this may pass without the lag becoming less than it ever was.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private TimeSpan? least;
    private long since = time.GetTimestamp();

    /// <exception cref="MigrationException">It comes no nearer.</exception>
    public void Add(TimeSpan? lag)
    {
        if (lag is { } now && (least is null || now < least))
        {
            (least, since) = (now, time.GetTimestamp());
        }
        else if (time.GetElapsedTime(since) is var waited && waited > Patience)
        {
            throw SwitchErrors.FallsBehind(lag, waited);
        }
    }
}
