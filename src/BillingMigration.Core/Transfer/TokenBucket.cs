namespace BillingMigration.Transfer;

/// <summary>
/// Tokens that flow in at a rate. A taker waits until there is any token and may then take more than there are: the debt makes the
/// next one wait, so that the mean rate holds exactly whatever the size of one taking, and a cost known only afterwards can be charged.
/// </summary>
internal sealed class TokenBucket
{
    // A quarter of a second saved up keeps the rate when workers pause for a moment, and is too little to be noticed as a burst.
    private const double BurstSeconds = 0.25;

    private readonly object gate = new();
    private readonly TimeProvider time;
    private double rate;
    private double tokens;
    private long filledAt;

    public TokenBucket(double rate, TimeProvider time)
    {
        this.rate = rate;
        this.time = time;
        tokens = rate * BurstSeconds;
        filledAt = time.GetTimestamp();
    }

    public double Rate
    {
        get
        {
            lock (gate)
            {
                return rate;
            }
        }

        set
        {
            lock (gate)
            {
                Fill();
                rate = value;
                tokens = Math.Min(tokens, rate * BurstSeconds);
            }
        }
    }

    /// <summary>Takes and returns true, or says how long it is until a token is there.</summary>
    public bool TryTake(double amount, out TimeSpan wait)
    {
        lock (gate)
        {
            Fill();
            if (tokens > 0)
            {
                tokens -= amount;
                wait = TimeSpan.Zero;
                return true;
            }

            wait = TimeSpan.FromSeconds(Math.Max(0.001, -tokens / rate + 0.0005));
            return false;
        }
    }

    /// <summary>Charges (or, negative, gives back) what turned out afterwards.</summary>
    public void Charge(double amount)
    {
        lock (gate)
        {
            Fill();
            tokens = Math.Min(tokens - amount, rate * BurstSeconds);
        }
    }

    private void Fill()
    {
        var now = time.GetTimestamp();
        tokens = Math.Min(rate * BurstSeconds, tokens + time.GetElapsedTime(filledAt, now).TotalSeconds * rate);
        filledAt = now;
    }
}
