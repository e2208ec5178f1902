using BillingMigration.Transfer;

namespace BillingMigration.Control;

/// <summary>How late something of an old route can still happen; applications and whoever switches go by the same figures.</summary>
internal static class RouteTimes
{
    /// <summary>The longest attempt of a request that commits, from the moment at which the route was looked at.</summary>
    public static TimeSpan AttemptTime { get; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a request without an answer may still be at work, from when its connection was reset.</summary>
    public static TimeSpan SettleTime { get; } = new RetryPolicy().SettleTime;

    /// <summary>After it nothing that was sent by an application with the route <paramref name="before"/> is begun any more.</summary>
    public static TimeSpan UntilNobodyBegins(Route before) => before.Lease;

    /// <summary>After it nothing lands either, at a backend that has no fence.</summary>
    public static TimeSpan UntilNothingLands(Route before) => before.Lease + AttemptTime + SettleTime;
}
