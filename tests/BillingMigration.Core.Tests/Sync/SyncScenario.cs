using BillingMigration.Control;
using BillingMigration.Snapshot;
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

    /// <summary>What -WhatIf of an export asks for.</summary>
    public static async Task<SnapshotPlan> PlanAsync(this Scenario scenario, SnapshotOptions? options = null)
    {
        await using var session = await scenario.Migration.ConnectAsync();
        return await new SnapshotExporter(session, options ?? new SnapshotOptions()).PlanAsync(Cancel);
    }

    /// <summary>Plan, export and sync refuse with the same words, and nothing has begun.</summary>
    public static async Task AssertRefusedAsync(this Scenario scenario, string error, string text)
    {
        var before = (await scenario.RangesAsync()).Count;
        foreach (var job in (Func<Task>[])[() => scenario.PlanAsync(), () => scenario.ExportAsync(new SnapshotOptions { Restart = true }), () => scenario.SyncAsync()])
        {
            var refused = await Assert.ThrowsAsync<MigrationException>(job);
            Assert.Equal(error, refused.ErrorId);
            Assert.Contains(text, refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, (await scenario.RangesAsync()).Count);
    }

    /// <summary>Exported, changed and followed, the table is the source.</summary>
    public static async Task AssertFollowedAsync(this Scenario scenario)
    {
        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync()).Outcome);
        await scenario.Database.ExecuteAsync("UPDATE charge SET description = 'changed after the export'");
        var result = await scenario.SyncAsync();
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        await scenario.AssertEqualAsync();
    }

    /// <summary>The table is the source item for item.</summary>
    public static async Task AssertEqualAsync(this Scenario scenario)
    {
        var comparison = await SampleComparison.CompareAsync(scenario.Database.ConnectionString, scenario.Migration.Client, scenario.Migration.Table);
        Assert.Empty(comparison.Differences);
        Assert.Equal(comparison.Rows, comparison.Items);
    }
}
