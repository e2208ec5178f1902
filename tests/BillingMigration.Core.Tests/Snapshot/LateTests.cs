using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Sync;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Processes that are frozen or killed with writes in their hands: none of them arrives behind what their successor has written.</summary>
public sealed class LateTests(TestServers servers)
{
    private const long Rows = 3_000;
    private const double ItemsPerSecond = 200;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>SIGSTOP, as a suspended machine or a frozen function does it, for longer than its lease.</summary>
    [Fact]
    public async Task An_export_that_was_frozen_past_its_lease_writes_nothing_when_it_wakes()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        using var frozen = Start(scenario, scenario.Endpoint);
        Assert.True(await frozen.ReachedAsync(Cancel));
        await frozen.FreezeAsync(Cancel);
        await scenario.Database.ExecuteAsync("UPDATE charge SET description = CONCAT('newer ', charge_id)");

        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync()).Outcome);
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await frozen.ThawAsync(Cancel);
        var (code, errors) = await frozen.EndedAsync(Cancel);

        Assert.NotEqual(0, code);
        Assert.Contains("the lease", errors, StringComparison.Ordinal);
        await scenario.AssertEqualAsync();
    }

    /// <summary>The machine goes on sending what a dead process had given it, unless the connection is reset with the process.</summary>
    [Fact]
    public async Task A_request_of_a_killed_export_does_not_arrive_later()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var ways = Ways.Open(scenario);
        using var late = ways.Table.Faults.Next(1, HttpFault.Late, "BatchWriteItem");
        using var killed = Start(scenario, ways.Table.Url);
        await late.FirstHit.WaitAsync(Cancel);

        Assert.Equal(WorkerEnd.Killed, await killed.KillAsync(TimeSpan.Zero, Cancel));
        await ways.Table.Faults.DeliverLateAsync();

        Assert.Equal((1, 0), (ways.Table.Faults.TakenBack, ways.Table.Faults.ArrivedLate));
        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync()).Outcome);
        await scenario.AssertWholeAsync();
    }

    private static ExportWorkerProcess Start(Scenario scenario, Uri endpoint) =>
        new ExportWorkerProcess(scenario.Database.ConnectionString, endpoint, scenario.Migration.Table, ItemsPerSecond, KillMoment.Running, goal: 300, Rows);
}
