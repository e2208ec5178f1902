using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Tests.Sync;

namespace BillingMigration.Tests.Integrity;

/// <summary>The comparison finds what is planted, and nothing else.</summary>
public sealed class ComparisonTests(TestServers servers)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_exported_table_passes_at_one_position(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 2_000);
        await scenario.ExportAsync();

        var result = await scenario.CheckAsync();

        Assert.Empty(result.Differences);
        Assert.True(result.Passed, result.Reason);
        Assert.True(result.Verdict is { Exact: true, IsWhole: true, Undecided: 0, Strangers: 0 });
        Assert.Equal((2_000L, 2_000L), (result.Entities.Sum(e => e.Rows), result.Entities.Sum(e => e.Items)));
    }

    [Fact]
    public async Task Each_kind_of_fault_is_named_with_its_attributes()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 1_000);
        await scenario.ExportAsync();
        var charges = await scenario.ItemsAsync("CHARGE");
        var customer = (await scenario.ItemsAsync("CUSTOMER"))[0];
        await scenario.DeleteAsync(charges[0]);
        await scenario.PutAsync(new(charges[1]) { ["sk"] = new("CHARGE#nowhere") });
        await scenario.PutAsync(new(charges[2]) { ["amount"] = new() { N = "12345.6789" } });
        await scenario.PutAsync(new(customer) { ["tax_id"] = new("stolen") });
        var unbilled = charges.Skip(3).First(c => !c.ContainsKey("bill_id"));
        await scenario.PutAsync(new(unbilled) { ["bill_id"] = new() { N = "7" } });
        var renamed = charges.Skip(3).First(c => c.ContainsKey("bill_id"));
        await scenario.PutAsync(new(renamed) { ["entity"] = new("BILL") });
        await scenario.PutAsync(new() { ["pk"] = new("STRANGE"), ["sk"] = new("THING"), ["entity"] = new("NOBODY") });

        var result = await scenario.CheckAsync();

        Assert.Equal(IntegrityOutcome.Failed, result.Outcome);
        Assert.Equal(7, result.Differences.Length);
        Assert.Equal(7, result.Verdict.Differences);
        Assert.Equal("CHARGE", Of(charges[0]).Entity);
        Assert.Equal(($"charge_id={charges[0]["charge_id"].N}", DifferenceKind.Missing), (Of(charges[0]).Key, Of(charges[0]).Kind));
        var strange = Assert.Single(result.Differences, d => d.SortKey == "CHARGE#nowhere");
        Assert.Equal(($"charge_id={charges[1]["charge_id"].N}", DifferenceKind.Extra), (strange.Key, strange.Kind));
        Assert.Contains("another key", strange.Cause, StringComparison.Ordinal);
        var amount = Assert.Single(Of(charges[2]).Attributes);
        Assert.Equal(new AttributeDifference("amount", charges[2]["amount"].N, "12345.6789", false), amount);
        var hidden = Assert.Single(Of(customer).Attributes);
        Assert.True(hidden.Sensitive);
        Assert.StartsWith("*** ", hidden.Target, StringComparison.Ordinal);
        Assert.NotEqual(hidden.Source, hidden.Target);
        Assert.Equal(new AttributeDifference("bill_id", null, "7", false), Assert.Single(Of(unbilled).Attributes));
        Assert.Contains("of another entity", Of(renamed).Cause, StringComparison.Ordinal);
        Assert.Equal(DifferenceKind.Extra, Assert.Single(result.Differences, d => d.Entity == "NOBODY").Kind);
        Assert.DoesNotContain("stolen", string.Join(' ', result.Differences), StringComparison.Ordinal);

        ItemDifference Of(Dictionary<string, AttributeValue> item) =>
            Assert.Single(result.Differences, d => d.PartitionKey == item["pk"].S && d.SortKey == item["sk"].S);
    }

    [Fact]
    public async Task Items_without_their_parent_are_named()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        var bill = (await scenario.ItemsAsync("BILL"))[0];
        var children = (await scenario.ItemsAsync("CHARGE")).Where(c => c.TryGetValue("bill_id", out var id) && id.N == bill["bill_id"].N).ToList();
        var stray = (await scenario.ItemsAsync("CHARGE")).First(c => !children.Exists(o => o["sk"].S == c["sk"].S));
        await scenario.DeleteAsync(bill);
        await scenario.PutAsync(new(stray) { ["bill_id"] = new() { N = "999999999" } });

        var result = await scenario.CheckAsync();

        Assert.Equal(2, result.Differences.Length);
        Assert.Equal(
            children.Append(stray).Select(c => $"charge_id={c["charge_id"].N}").Order(StringComparer.Ordinal), result.Orphans.Select(o => o.Key).Order(StringComparer.Ordinal));
        Assert.All(result.Orphans, o => Assert.Equal(("CHARGE", "BILL", "charge_bill"), (o.Entity, o.Parent, o.ForeignKey)));
        Assert.Equal(result.Orphans.Length, result.Verdict.Orphans);
    }

    [Fact]
    public async Task Changes_that_are_not_written_yet_are_no_verdict_and_written_ones_pass()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        await scenario.Database.ExecuteAsync("UPDATE charge SET amount = amount + 1 WHERE charge_id % 3 = 0");

        var before = await scenario.CheckAsync(new IntegrityOptions { Patience = TimeSpan.Zero });
        Assert.Equal((IntegrityOutcome.NotDecidable, false), (before.Outcome, before.Passed));
        Assert.Contains("Sync-BillingChanges", before.Reason, StringComparison.Ordinal);
        Assert.True(before.Verdict.Undecided > 0);

        await scenario.SyncAsync();
        Assert.True((await scenario.CheckAsync()).Passed);
    }

    [Fact]
    public async Task Counts_are_equal_or_not()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, rows: 500);
        await scenario.ExportAsync();
        var quick = new IntegrityOptions { Method = IntegrityMethod.Quick };
        var counted = await scenario.CheckAsync(quick);
        Assert.True(counted.Passed);
        Assert.All(counted.Entities, e => Assert.True(e is { RowsExact: true, ItemsExact: true } && e.Rows == e.Items));

        await scenario.DeleteAsync((await scenario.ItemsAsync("BILL"))[0]);
        Assert.Equal(IntegrityOutcome.Failed, (await scenario.CheckAsync(quick)).Outcome);
    }

    [Fact]
    public async Task Only_what_changed_since_the_last_good_verdict_is_compared()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        var since = new IntegrityOptions { Method = IntegrityMethod.Since };
        Assert.Equal("NoGoodVerdict", (await Assert.ThrowsAsync<MigrationException>(() => scenario.CheckAsync(since))).ErrorId);
        Assert.True((await scenario.CheckAsync()).Passed);
        await scenario.Database.ExecuteAsync("UPDATE charge SET charged_at = charged_at + INTERVAL 1 DAY ORDER BY charge_id LIMIT 3");
        await scenario.SyncAsync();

        var passed = await scenario.CheckAsync(since);
        Assert.True(passed.Passed, passed.Reason);
        Assert.Equal(6, passed.Entities.Sum(e => e.Rows));

        await scenario.Database.ExecuteAsync("UPDATE charge SET description = 'changed' ORDER BY charge_id LIMIT 3");
        await scenario.SyncAsync();
        var changed = (await scenario.ItemsAsync("CHARGE")).First(i => i["description"].S == "changed");
        await scenario.PutAsync(new(changed) { ["description"] = new("changed ") });
        var failed = await scenario.CheckAsync(since);
        Assert.Equal(("description", "changed", "changed "), Assert.Single(Assert.Single(failed.Differences).Attributes) switch { var a => (a.Name, a.Source, a.Target) });
    }

    [Fact]
    public async Task A_sample_says_what_it_covers()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 2_000);
        await scenario.ExportAsync();
        var result = await scenario.CheckAsync(new IntegrityOptions { Method = IntegrityMethod.Sample, SamplePercent = 20, RowsPerRange = 100 });
        Assert.True(result is { Passed: true, Verdict.IsWhole: false });
        Assert.InRange(result.Entities.Sum(e => e.Rows), 1, 1_999);
        Assert.Contains("nothing about the rest", result.Verdict.Scope, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_snapshot_that_is_not_there_is_not_compared()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        Assert.Equal("SnapshotIncomplete", (await Assert.ThrowsAsync<MigrationException>(() => scenario.CheckAsync())).ErrorId);
    }
}
