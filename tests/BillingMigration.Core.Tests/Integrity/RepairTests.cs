using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Tests.Sync;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Integrity;

/// <summary>A repair writes what the row says, and never over something newer.</summary>
public sealed class RepairTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Random_corruptions_are_all_found_and_repaired(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 3_000);
        await scenario.ExportAsync();
        var planted = await new Corruptor(scenario.Migration, seed: 7).PlantAsync(120, Cancel);

        var found = await scenario.CheckAsync();

        Assert.Equal(IntegrityOutcome.Failed, found.Outcome);
        Assert.Equal(planted.Order(StringComparer.Ordinal), found.Differences.Select(d => $"{d.PartitionKey} {d.SortKey}").Order(StringComparer.Ordinal));
        var repaired = await RepairAsync(scenario, found);
        Assert.All(repaired, r => Assert.Equal((RepairOutcome.Repaired, null), (r.Outcome, r.Reason)));
        var again = await scenario.CheckAsync();
        Assert.True(again.Passed, again.Reason);
        await scenario.AssertEqualAsync();
        await using var session = await scenario.Migration.ConnectAsync();
        var audited = await session.Control.ListRepairsAsync(1_000, Cancel);
        Assert.Equal(repaired.Select(r => (r.PartitionKey, r.SortKey, r.Action)).Order(), audited.Select(a => (a.PartitionKey, a.SortKey, a.Action)).Order());
    }

    [Fact]
    public async Task An_item_that_changed_since_is_left_alone_and_a_row_that_changed_is_copied_as_it_is_now()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        var charges = await scenario.ItemsAsync("CHARGE");
        await scenario.PutAsync(new(charges[0]) { ["description"] = new("first") });
        await scenario.PutAsync(new(charges[1]) { ["description"] = new("first") });
        await scenario.DeleteAsync(charges[2]);
        var found = await scenario.CheckAsync();
        Assert.Equal(3, found.Differences.Length);
        await scenario.PutAsync(new(charges[0]) { ["description"] = new("second") });
        await scenario.Database.ExecuteAsync($"UPDATE charge SET description = 'newer' WHERE charge_id = {charges[1]["charge_id"].N}");
        await scenario.Database.ExecuteAsync($"DELETE FROM charge WHERE charge_id = {charges[2]["charge_id"].N}");

        var repaired = (await RepairAsync(scenario, found)).ToDictionary(r => r.SortKey);

        Assert.Equal((RepairOutcome.ChangedSince, RepairAction.None), Of(0));
        Assert.Equal((RepairOutcome.Repaired, RepairAction.Put), Of(1));
        Assert.Equal((RepairOutcome.AlreadyEqual, RepairAction.None), Of(2));
        var now = (await scenario.ItemsAsync("CHARGE")).ToDictionary(i => i["sk"].S, i => i["description"].S);
        Assert.Equal(("second", "newer"), (now[charges[0]["sk"].S], now[charges[1]["sk"].S]));

        (RepairOutcome, RepairAction) Of(int charge) => (repaired[charges[charge]["sk"].S].Outcome, repaired[charges[charge]["sk"].S].Action);
    }

    [Fact]
    public async Task An_item_without_a_row_is_deleted_only_where_that_is_allowed_and_what_another_wrote_never()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        var charge = (await scenario.ItemsAsync("CHARGE"))[0];
        await scenario.PutAsync(new(charge) { ["sk"] = new("CHARGE#nowhere") });
        await scenario.PutAsync(new() { ["pk"] = new("STRANGE"), ["sk"] = new("THING"), ["entity"] = new("INVOICE") });
        await scenario.PutAsync(new() { ["pk"] = new("STRANGE"), ["sk"] = new("NAMELESS") });
        var found = await scenario.CheckAsync();
        Assert.Equal(3, found.Differences.Length);

        var careful = (await RepairAsync(scenario, found, allowDelete: false)).ToDictionary(r => r.SortKey, r => r.Outcome);
        Assert.Equal((RepairOutcome.DeleteNotAllowed, RepairOutcome.NotOfTheMigration, RepairOutcome.NotOfTheMigration), (careful["CHARGE#nowhere"], careful["THING"], careful["NAMELESS"]));
        Assert.Equal(3, (await scenario.CheckAsync()).Differences.Length);
        var allowed = (await RepairAsync(scenario, found)).ToDictionary(r => r.SortKey, r => r.Outcome);
        Assert.Equal((RepairOutcome.Repaired, RepairOutcome.NotOfTheMigration, RepairOutcome.NotOfTheMigration), (allowed["CHARGE#nowhere"], allowed["THING"], allowed["NAMELESS"]));
        Assert.Equal(2, (await scenario.CheckAsync()).Verdict.Strangers);
    }

    private static async Task<List<RepairedItem>> RepairAsync(Scenario scenario, IntegrityResult found, bool allowDelete = true)
    {
        await using var session = await scenario.Migration.ConnectAsync();
        await using var repairer = await ItemRepairer.OpenAsync(session, allowDelete, Cancel);
        var repaired = new List<RepairedItem>();
        foreach (var difference in found.Differences)
        {
            repaired.Add(await repairer.RepairAsync(difference, Cancel));
        }

        return repaired;
    }
}
