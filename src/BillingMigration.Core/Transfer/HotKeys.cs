namespace BillingMigration.Transfer;

/// <summary>
/// Tells a table that throttles from a partition that does. A partition takes 1,000 write units a second whatever the table may take
/// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html): while only a few partition keys are throttled, their items wait, and the others do not.
/// Thread-safe.
/// </summary>
internal sealed class HotKeys(TimeProvider time)
{
    /// <summary>Partition keys that may be throttled within a moment without the table being so.</summary>
    public const int Most = 8;

    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private readonly HashSet<string> struck = [];
    private long since;

    /// <summary>Notes keys whose items were not taken.</summary>
    /// <returns>True when so many are throttled that it is the table that throttles.</returns>
    public bool Strike(IEnumerable<string> keys)
    {
        lock (gate)
        {
            if (time.GetElapsedTime(since) > Moment)
            {
                struck.Clear();
                since = time.GetTimestamp();
            }

            foreach (var key in keys)
            {
                if (struck.Count > Most)
                {
                    break;
                }

                struck.Add(key);
            }

            return struck.Count > Most;
        }
    }
}
