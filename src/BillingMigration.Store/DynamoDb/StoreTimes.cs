namespace BillingMigration.Store.DynamoDb;

/// <summary>What the store waits for.</summary>
public sealed record StoreTimes
{
    /// <summary>How long a call goes on through trouble with DynamoDB, and against others that change the same, before it fails.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>How often is looked for large units that their owners have left lying; <see cref="Timeout.InfiniteTimeSpan"/>: never.</summary>
    public TimeSpan IntentPeriod { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Random numbers from 0 to 1, for the length of waits; the same ones again when a simulation is replayed.</summary>
    internal Func<double> Random { get; init; } = System.Random.Shared.NextDouble;

    /// <summary>Names that nobody else has; the same ones again when a simulation is replayed.</summary>
    internal Func<Guid> NewGuid { get; init; } = Guid.NewGuid;
}
