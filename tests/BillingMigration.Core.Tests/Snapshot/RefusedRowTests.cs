using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Rows that cannot be items: never left out in silence.</summary>
public sealed class RefusedRowTests(TestServers servers)
{
    private const long Rows = 1_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task They_fail_the_export_with_their_keys_until_they_are_put_right(bool mariaDb)
    {
        await using var scenario = await CreateAsync(mariaDb);

        for (var attempt = 0; attempt < 2; attempt++)
        {
            var failed = await scenario.ExportAsync();
            Assert.Equal((SnapshotOutcome.Failed, SnapshotState.Running), (failed.Outcome, failed.RunState));
            AssertListed(failed);
        }

        await scenario.Database.ExecuteAsync("UPDATE customer SET notes = NULL WHERE customer_id = 1; UPDATE bill SET reference = NULL");
        var completed = await scenario.ExportAsync();

        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete), (completed.Outcome, completed.RunState));
        Assert.Empty(completed.Refused);
        Assert.Equal((Rows, Rows, 0L), (completed.Entities.Sum(e => e.Rows), completed.Entities.Sum(e => e.Items), completed.Entities.Sum(e => e.SetAside)));
        await scenario.AssertWholeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Set_aside_they_are_counted_and_listed_and_all_others_are_there(bool mariaDb)
    {
        await using var scenario = await CreateAsync(mariaDb);

        // One attempt without, so that what it found is not counted twice.
        await scenario.ExportAsync();
        var completed = await scenario.ExportAsync(new SnapshotOptions { SetAside = true });

        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete), (completed.Outcome, completed.RunState));
        AssertListed(completed);
        Assert.Equal((Rows, Rows - 2), (completed.Entities.Sum(e => e.Rows), completed.Entities.Sum(e => e.Items)));
        // The comparison's decimals end at 28 digits, and the column is NULL in all other rows: they have no attribute for it.
        await scenario.Database.ExecuteAsync("ALTER TABLE bill DROP COLUMN reference");
        var comparison = await SampleComparison.CompareAsync(scenario.Database.ConnectionString, scenario.Migration.Client, scenario.Migration.Table);
        Assert.Equal(2, comparison.Differences.Count);
        Assert.All(comparison.Differences, d => Assert.StartsWith("missing ", d));
    }

    private static void AssertListed(SnapshotResult result)
    {
        Assert.Equal(["BILL", "CUSTOMER"], result.Refused.Select(r => r.Entity).Order());
        var customer = result.Refused.Single(r => r.Entity == "CUSTOMER");
        Assert.Equal("ItemTooLarge", customer.ReasonId);
        Assert.Contains("1", customer.Key);
        Assert.DoesNotContain(result.Refused, r => (r.Key + r.Reason).Contains("xxxx", StringComparison.Ordinal));
        Assert.Equal(2, result.Entities.Sum(e => e.SetAside));
    }

    /// <summary>A customer whose notes are over 400 KB, and a bill with a number of 39 digits.</summary>
    private async Task<Scenario> CreateAsync(bool mariaDb)
    {
        var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        await scenario.Database.ExecuteAsync(
            """
            ALTER TABLE customer MODIFY notes MEDIUMTEXT NULL;
            ALTER TABLE bill ADD COLUMN reference DECIMAL(65,0) NULL;
            UPDATE customer SET notes = REPEAT('x', 450000) WHERE customer_id = 1;
            UPDATE bill SET reference = 123456789012345678901234567890123456789 ORDER BY bill_id LIMIT 1
            """);
        var definition = scenario.Migration.Definition;
        scenario.Migration.Definition = definition with
        {
            Entities = [.. definition.Entities.Select(e => e.Entity == "BILL"
                ? e with { Columns = e.Columns.Add("reference", new ColumnDefinition { Type = AttributeType.N }) }
                : e)],
        };
        return scenario;
    }
}
