using System.Globalization;

namespace BillingMigration.Control;

/// <summary>The names of the jobs that hold leases.</summary>
internal static class Jobs
{
    public const string Sync = "SYNC";

    public const string Integrity = "INTEGRITY";

    /// <summary>A worker of an export.</summary>
    public static string Export(int shardIndex, int shardCount) =>
        shardCount == 1 ? "EXPORT" : string.Create(CultureInfo.InvariantCulture, $"EXPORT-{shardIndex}-OF-{shardCount}");
}
