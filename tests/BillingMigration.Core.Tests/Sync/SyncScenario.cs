using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;

namespace BillingMigration.Tests.Sync;

/// <summary>What a test of the change stream does again and again.</summary>
internal static class SyncScenario
{
    private static readonly Progress<SyncProgress> Silent = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Opens a session, follows the changes, closes the session: what one command does.</summary>
    public static async Task<SyncResult> SyncAsync(this Scenario scenario, SyncOptions? options = null, CancellationToken? cancel = null)
    {
        await using var session = await scenario.Migration.ConnectAsync();
        return await new ChangeFollower(session, options ?? new SyncOptions()).RunAsync(Silent, cancel ?? Cancel);
    }

    /// <summary>The table is the source item for item.</summary>
    public static async Task AssertEqualAsync(this Scenario scenario)
    {
        var comparison = await SampleComparison.CompareAsync(scenario.Database.ConnectionString, scenario.Migration.Client, scenario.Migration.Table);
        Assert.Empty(comparison.Differences);
        Assert.Equal(comparison.Rows, comparison.Items);
    }
}
