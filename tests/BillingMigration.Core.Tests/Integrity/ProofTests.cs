using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Tests.Sync;

namespace BillingMigration.Tests.Integrity;

/// <summary>What a verdict may not pass over, whichever method it is.</summary>
public sealed class ProofTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_difference_counts_however_few_are_kept()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 1_000);
        await scenario.ExportAsync();
        foreach (var charge in (await scenario.ItemsAsync("CHARGE")).Take(25))
        {
            await scenario.DeleteAsync(charge);
        }

        foreach (var most in new[] { 0, 1, 10, 100 })
        {
            var found = await scenario.CheckAsync(new IntegrityOptions { RowsPerRange = 100, MostDifferences = most, SuspectsAtOnce = 3 });
            Assert.Equal(IntegrityOutcome.Failed, found.Outcome);
            Assert.Equal(25, found.Verdict.Differences);
            Assert.Equal(Math.Min(most, 25), found.Differences.Length);
        }
    }

    /// <summary>The stream may still write the row as it was before the export read it.</summary>
    [Fact]
    public async Task An_equal_table_is_no_proof_before_the_stream_has_passed_the_export()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 1_000);
        var changed = 0;
        await scenario.ExportAsync(onProgress: _ =>
        {
            if (Interlocked.Exchange(ref changed, 1) == 0)
            {
                scenario.Database.ExecuteAsync("INSERT INTO customer (customer_number, address) VALUES ('GONE', '{}'); DELETE FROM customer WHERE customer_number = 'GONE'").GetAwaiter().GetResult();
            }
        });
        foreach (var method in new[] { IntegrityMethod.Full, IntegrityMethod.Sample })
        {
            var early = await scenario.CheckAsync(new IntegrityOptions { Method = method, SamplePercent = 90, Patience = TimeSpan.Zero });
            Assert.Equal(IntegrityOutcome.NotDecidable, early.Outcome);
            Assert.Contains("Sync-BillingChanges", early.Reason, StringComparison.Ordinal);
        }

        await scenario.SyncAsync();
        Assert.True((await scenario.CheckAsync()).Passed);
    }

    [Fact]
    public async Task A_row_that_cannot_be_an_item_is_part_of_every_count()
    {
        await using var scenario = await SetAsideAsync();
        var full = await scenario.CheckAsync();
        Assert.Equal((IntegrityOutcome.Passed, 1L), (full.Outcome, full.Entities.Sum(e => e.SetAside)));
        var quick = await scenario.CheckAsync(new IntegrityOptions { Method = IntegrityMethod.Quick });
        Assert.Equal((IntegrityOutcome.Passed, 1L), (quick.Outcome, quick.Entities.Sum(e => e.SetAside)));

        // A second one, followed by the stream: set aside it counts, and no check takes it for nothing.
        await scenario.Database.ExecuteAsync("INSERT INTO customer (customer_number, address, notes) VALUES ('HUGE', '{}', REPEAT('x', 450000))");
        var open = await scenario.CheckAsync(new IntegrityOptions { Method = IntegrityMethod.Since, Patience = TimeSpan.Zero });
        Assert.Equal((IntegrityOutcome.NotDecidable, 1L), (open.Outcome, open.Verdict.Undecided));
        await scenario.SyncAsync(new SyncOptions { SetAside = true });
        var since = await scenario.CheckAsync(new IntegrityOptions { Method = IntegrityMethod.Since });
        Assert.Equal((IntegrityOutcome.Passed, 1L), (since.Outcome, since.Entities.Sum(e => e.SetAside)));
        full = await scenario.CheckAsync();
        Assert.Equal((IntegrityOutcome.Passed, 2L), (full.Outcome, full.Entities.Sum(e => e.SetAside)));

        await ForgetSetAsideAsync(scenario);
        foreach (var method in new[] { IntegrityMethod.Full, IntegrityMethod.Quick })
        {
            var lost = await scenario.CheckAsync(new IntegrityOptions { Method = method });
            Assert.Equal(IntegrityOutcome.Failed, lost.Outcome);
        }
    }

    [Fact]
    public async Task A_row_that_is_mended_is_set_aside_no_more()
    {
        await using var scenario = await SetAsideAsync();
        await scenario.Database.ExecuteAsync(
            "INSERT INTO customer (customer_number, address, notes) VALUES ('HUGE', '{}', REPEAT('x', 450000)), ('GONE', '{}', REPEAT('x', 450000)), ('STAYS', '{}', REPEAT('x', 450000))");
        await scenario.SyncAsync(new SyncOptions { SetAside = true });
        var run = (await Control(scenario).FindSnapshotAsync(Cancel))!;
        Assert.Equal(4, (await Control(scenario).ListSetAsideAsync(run.RunId, 10, Cancel)).Length);

        await scenario.Database.ExecuteAsync("UPDATE customer SET notes = 'small' WHERE customer_id = 1 OR customer_number = 'HUGE'; DELETE FROM customer WHERE customer_number = 'GONE'");
        await scenario.SyncAsync();
        var full = await scenario.CheckAsync();
        Assert.Equal((IntegrityOutcome.Passed, 1L), (full.Outcome, full.Entities.Sum(e => e.SetAside)));
        Assert.Single(await Control(scenario).ListSetAsideAsync(run.RunId, 10, Cancel));

        // One that was set aside again since the comparison began stays.
        var before = new List<SetAsideMark>();
        await foreach (var (_, mark) in Control(scenario).MarkedSetAsideAsync(run.RunId, Cancel))
        {
            before.Add(mark);
        }

        await scenario.Database.ExecuteAsync("UPDATE customer SET notes = REPEAT('y', 450000) WHERE customer_number = 'STAYS'");
        await scenario.SyncAsync(new SyncOptions { SetAside = true });
        await Control(scenario).ForgetSetAsideAsync(Assert.Single(before), Cancel);
        Assert.Single(await Control(scenario).ListSetAsideAsync(run.RunId, 10, Cancel));
    }

    [Fact]
    public async Task A_row_that_the_table_refused_is_set_aside_and_not_missing()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        var charge = (await scenario.ItemsAsync("CHARGE"))[0];
        await scenario.DeleteAsync(charge);
        Assert.Equal(IntegrityOutcome.Failed, (await scenario.CheckAsync()).Outcome);
        var run = (await Control(scenario).FindSnapshotAsync(Cancel))!;
        var key = $"{{\"pk\":{{\"S\":\"{charge["pk"].S}\"}},\"sk\":{{\"S\":\"{charge["sk"].S}\"}}}}";
        await scenario.Migration.Client.PutItemAsync(
            scenario.Migration.Definition.Target.ControlTableName,
            SetAsideItem.ToItem($"MIGRATION#{scenario.Migration.Definition.Name}", run.RunId, 0, new SetAsideRow("CHARGE", key, SetAsideRow.RejectedByTable, "refused")), Cancel);
        var full = await scenario.CheckAsync();
        Assert.Equal((IntegrityOutcome.Passed, 1L), (full.Outcome, full.Entities.Sum(e => e.SetAside)));
    }

    private static ControlTable Control(Scenario scenario) =>
        new(scenario.Migration.Client, scenario.Migration.Definition.Target.ControlTableName, scenario.Migration.Definition.Name, TimeProvider.System);

    private static async Task ForgetSetAsideAsync(Scenario scenario)
    {
        var control = scenario.Migration.Definition.Target.ControlTableName;
        await foreach (var page in scenario.Migration.Client.Paginators.Scan(new ScanRequest { TableName = control }).Responses)
        {
            foreach (var item in page.Items.Where(i => i["sk"].S.Contains("#SETASIDE#", StringComparison.Ordinal)))
            {
                await scenario.Migration.Client.DeleteItemAsync(control, new Dictionary<string, AttributeValue> { ["pk"] = item["pk"], ["sk"] = item["sk"] }, Cancel);
            }
        }
    }

    /// <summary>Exported with one row set aside, and proved.</summary>
    private async Task<Scenario> SetAsideAsync()
    {
        var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 1_000);
        await scenario.Database.ExecuteAsync("ALTER TABLE customer MODIFY notes MEDIUMTEXT NULL; UPDATE customer SET notes = REPEAT('x', 450000) WHERE customer_id = 1");
        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync(new SnapshotOptions { SetAside = true })).Outcome);
        await scenario.SyncAsync(new SyncOptions { SetAside = true });
        return scenario;
    }
}
