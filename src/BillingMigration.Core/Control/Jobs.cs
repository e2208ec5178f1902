using System.Globalization;

namespace BillingMigration.Control;

/// <summary>The names of the jobs that hold leases.</summary>
internal static class Jobs
{
    public const string Sync = "SYNC";

    public const string Integrity = "INTEGRITY";

    /// <summary>Writes the table's stream back to the source.</summary>
    public const string Reverse = "REVERSE";

    /// <summary>Changes the applications' route.</summary>
    public const string Switch = "SWITCH";

    /// <summary>Rewrites encrypted values with a new data key.</summary>
    public const string Rotation = "ROTATION";

    /// <summary>A worker of an export.</summary>
    public static string Export(int shardIndex, int shardCount) =>
        shardCount == 1 ? "EXPORT" : string.Create(CultureInfo.InvariantCulture, $"EXPORT-{shardIndex}-OF-{shardCount}");
}
