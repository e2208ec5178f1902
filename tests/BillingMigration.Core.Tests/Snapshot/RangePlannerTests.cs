using System.Globalization;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Ranges follow the rows, however their keys lie.</summary>
public sealed class RangePlannerTests(TestServers servers)
{
    private const int RowsPerRange = 500;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, "n", 10_000)]
    [InlineData(true, "n", 10_000)]
    // One id far away, as of an import that went wrong.
    [InlineData(false, "IF(n = 10000, 9000000000000000000, n)", 10_000)]
    [InlineData(true, "IF(n = 10000, 9000000000000000000, n)", 10_000)]
    // Two heaps with a gap between them, a sparse tail, below zero.
    [InlineData(false, "IF(n < 5000, n, 4000000000 + n)", 10_000)]
    [InlineData(true, "n * n * n", 10_000)]
    [InlineData(false, "-9000000000000000000 + n", 10_000)]
    [InlineData(true, "n", 3)]
    [InlineData(false, "n", 0)]
    public async Task No_range_has_many_more_rows_than_another_and_none_is_left_out(bool mariaDb, string id, int rows)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, 100);
        await scenario.Database.ExecuteAsync(
            $"""
            SET foreign_key_checks = 0; DELETE FROM charge;
            ALTER TABLE charge MODIFY charge_id BIGINT NOT NULL;
            {(mariaDb ? "SET SESSION max_recursive_iterations = 100000" : "SET SESSION cte_max_recursion_depth = 100000")};
            INSERT INTO charge (charge_id, account_id, charge_type, description, amount, tax_amount, charged_at)
              WITH RECURSIVE r (n) AS (SELECT CAST(1 AS SIGNED) UNION ALL SELECT n + 1 FROM r WHERE n < {rows}) SELECT {id}, 1, 'USAGE', 'x', 1, 0, '2026-01-01' FROM r WHERE {rows} > 0;
            ANALYZE TABLE charge
            """);
        await using var session = await scenario.Migration.ConnectAsync();
        await using var connection = await session.Source.OpenConnectionAsync(Cancel);
        var model = (await SnapshotScope.BindAsync(session, new SnapshotOptions(), connection, Cancel)).Model["CHARGE"];

        var ranges = await new RangePlanner(connection, RowsPerRange).PlanAsync(model, Cancel);

        var counts = new List<long>();
        foreach (var range in ranges)
        {
            var conditions = new[] { range.From is { } from ? $"charge_id > {from[0]}" : "TRUE", range.To is { } to ? $"charge_id <= {to[0]}" : "TRUE" };
            await using var command = new MySqlCommand($"SELECT COUNT(*) FROM charge WHERE {string.Join(" AND ", conditions)}", connection);
            counts.Add(Convert.ToInt64(await command.ExecuteScalarAsync(Cancel), CultureInfo.InvariantCulture));
        }

        Assert.Equal(rows, counts.Sum());
        // Estimates of a few pages are off by some; a range of ten times the size would be a fault.
        Assert.All(counts, c => Assert.InRange(c, 0, 3 * RowsPerRange));
        Assert.InRange(ranges.Length, 1, (4 * rows / RowsPerRange) + 1);
    }
}
