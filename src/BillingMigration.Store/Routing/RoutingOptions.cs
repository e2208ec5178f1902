namespace BillingMigration.Store;

/// <summary>How a routed store waits, and whom it tells.</summary>
public sealed record RoutingOptions
{
    /// <summary>How long a call may wait while the backend is switched, or while the control table cannot be asked; then it fails, and nothing of it is done.</summary>
    public TimeSpan MostWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How many calls may wait at the same time; those beyond fail at once.</summary>
    public int MostWaiting { get; init; } = 10_000;

    /// <summary>When the control table cannot be asked, reads go on where they last went; what they show may be older than the last switch. Writes wait in any case.</summary>
    public bool ReadsGoOn { get; init; }

    /// <summary>Told of each difference between the two sides that a moment later is still one, while the state is <c>Shadow</c>.</summary>
    public Action<StoreDifference>? OnDifference { get; init; }

    /// <summary>Told how long each compared read took on either side.</summary>
    public Action<ShadowReading>? OnReading { get; init; }

    /// <summary>Reads that may be compared at the same time; those beyond are not compared. No caller waits for it.</summary>
    public int MostCompared { get; init; } = 16;
}

/// <param name="Call">The method and its entity.</param>
public sealed record ShadowReading(string Call, TimeSpan MySql, TimeSpan DynamoDb);
