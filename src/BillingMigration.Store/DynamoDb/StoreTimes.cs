namespace BillingMigration.Store.DynamoDb;

/// <summary>What the store waits for.</summary>
public sealed record StoreTimes
{
    /// <summary>How long after a change all indexes are taken to show it. An index of DynamoDB follows its table mostly far under a second; it has no bound.</summary>
    public TimeSpan IndexDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a call goes on through trouble with DynamoDB before it fails.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>How often is looked for large units that their owners have left lying; <see cref="Timeout.InfiniteTimeSpan"/>: never.</summary>
    public TimeSpan IntentPeriod { get; init; } = TimeSpan.FromSeconds(30);
}
