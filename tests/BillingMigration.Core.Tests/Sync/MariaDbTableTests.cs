using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;

namespace BillingMigration.Tests.Sync;

/// <summary>Tables and statements of MariaDB alone that lose rows, or keep them, without the binlog saying so.</summary>
public sealed class MariaDbTableTests(TestServers servers)
{
    private const long Rows = 120;

    [Fact]
    public async Task A_table_that_keeps_its_history_is_refused()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, Rows);
        await scenario.Database.ExecuteAsync("ALTER TABLE charge ADD SYSTEM VERSIONING");
        await scenario.AssertRefusedAsync("SystemVersionedTable", "ALTER TABLE charge DROP SYSTEM VERSIONING");

        await scenario.Database.ExecuteAsync("ALTER TABLE charge DROP SYSTEM VERSIONING");
        await scenario.AssertFollowedAsync();
    }

    [Theory]
    [InlineData("ALTER TABLE charge COMMENT 'x' WITH SYSTEM VERSIONING; UPDATE charge SET description = 'x'; DELETE FROM charge; ALTER TABLE charge DROP SYSTEM VERSIONING")]
    [InlineData("ALTER TABLE charge ADD SYSTEM VERSIONING; ALTER TABLE charge DROP SYSTEM VERSIONING")]
    public async Task A_table_of_MariaDb_that_hides_rows_stops_the_sync(string change)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, Rows);
        await scenario.AssertFollowedAsync();
        await scenario.Database.ExecuteAsync(change);
        Assert.Equal("SchemaChanged", (await Assert.ThrowsAsync<MigrationException>(() => scenario.SyncAsync())).ErrorId);
    }

    /// <summary>Its columns are as they were: which rows are gone, a comparison tells.</summary>
    [Theory]
    [InlineData("ALTER IGNORE TABLE charge ADD UNIQUE only_one (charge_type); ALTER TABLE charge DROP INDEX only_one")]
    [InlineData("ALTER /*!50000 IGNORE */ TABLE charge ADD CONSTRAINT few CHECK (amount < 0); ALTER TABLE charge DROP INDEX IF EXISTS none")]
    public async Task A_table_of_MariaDb_that_loses_rows_is_compared(string change)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, Rows);
        await scenario.AssertFollowedAsync();
        await scenario.Database.ExecuteAsync(change);
        Assert.NotEmpty((await scenario.SyncAsync()).Untold);
        await scenario.AssertEqualAsync();
    }
}
