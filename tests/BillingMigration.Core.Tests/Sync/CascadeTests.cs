using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>Foreign keys change rows that no binlog tells of: MariaDB never does, MySQL not for a session that was reset.</summary>
public sealed class CascadeTests(TestServers servers)
{
    // An account with everything below it: the smallest that has agreements, bills and charges of its own subscribers.
    private const string SomeAccount =
        """
        SET @a = (SELECT s.account_id FROM subscriber s JOIN service_agreement g USING (subscriber_id) JOIN charge c ON c.subscriber_id = s.subscriber_id AND c.bill_id IS NOT NULL
          GROUP BY s.account_id ORDER BY COUNT(*), s.account_id LIMIT 1);
        SET @s = (SELECT s.subscriber_id FROM subscriber s JOIN service_agreement g USING (subscriber_id) JOIN charge c ON c.subscriber_id = s.subscriber_id WHERE s.account_id = @a ORDER BY 1 LIMIT 1);
        SET @b = (SELECT bill_id FROM charge WHERE account_id = @a AND bill_id IS NOT NULL ORDER BY 1 LIMIT 1);
        SET @other = (SELECT account_id FROM billing_account WHERE account_id <> @a ORDER BY 1 LIMIT 1);
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, bool> Changes
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (var change in (string[])[
                "DELETE FROM bill WHERE bill_id = @b",
                "DELETE FROM subscriber WHERE subscriber_id = @s",
                "DELETE FROM billing_account WHERE account_id = @a",
                "DELETE FROM bill WHERE account_id = @a; DELETE FROM subscriber WHERE account_id = @a",
                "UPDATE bill SET bill_id = 900001 WHERE bill_id = @b",
                "UPDATE billing_account SET account_id = 900001 WHERE account_id = @a",
                "UPDATE subscriber SET account_id = @other WHERE subscriber_id = @s",
                "UPDATE subscriber SET subscriber_id = 900001, account_id = @other WHERE subscriber_id = @s",
                // Each of these steps on what the one before it left.
                "UPDATE billing_account SET account_id = 900001 WHERE account_id = @other; UPDATE billing_account SET account_id = @other WHERE account_id = @a; UPDATE billing_account SET account_id = @a WHERE account_id = 900001",
                "UPDATE bill SET bill_id = bill_id + 100000 ORDER BY bill_id DESC",
                "UPDATE subscriber SET account_id = @other WHERE subscriber_id = @s; DELETE FROM billing_account WHERE account_id = @other; UPDATE charge SET description = 'after it' WHERE account_id = @a",
                "CREATE TEMPORARY TABLE kept AS SELECT * FROM billing_account WHERE account_id = @a; DELETE FROM billing_account WHERE account_id = @a; INSERT INTO billing_account SELECT * FROM kept; UPDATE subscriber SET account_id = @a WHERE account_id = @other",
                "SAVEPOINT p; DELETE FROM billing_account WHERE account_id = @a; ROLLBACK TO SAVEPOINT p; DELETE FROM bill WHERE bill_id = @b",
                "SET foreign_key_checks = 0; DELETE FROM bill WHERE bill_id = @b; SET foreign_key_checks = 1",
            ])
            {
                data.Add(change, false);
                data.Add(change, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_change_of_a_parent_reaches_its_children(string change, bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 600);
        await scenario.ExportAsync();
        await UnloggedAsync(scenario, $"{SomeAccount} BEGIN; {change}; COMMIT");

        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false, "COMMIT")]
    [InlineData(false, "ROLLBACK")]
    [InlineData(true, "COMMIT")]
    [InlineData(true, "ROLLBACK")]
    public async Task An_XA_transaction_reaches_them_at_its_end(bool mariaDb, string end)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 600);
        await scenario.ExportAsync();
        await using var connection = await ResetAsync(scenario);
        await ExecuteAsync(connection, $"{SomeAccount} XA START 'x'; UPDATE charge SET description = 'x'; DELETE FROM bill WHERE bill_id = @b; UPDATE charge SET quantity = 2; DELETE FROM subscriber WHERE subscriber_id = @s; XA END 'x'; XA PREPARE 'x'");
        await scenario.Database.ExecuteAsync("UPDATE customer SET first_name = 'while it is prepared'");

        // It holds what it changed: the table is the source without it.
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await ExecuteAsync(connection, $"XA {end} 'x'");
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    /// <summary>What an export reads after a change, and what before, in an order that leaves the change's way through the tables in the dark.</summary>
    [Theory]
    [InlineData("CHARGE", "DELETE FROM billing_account WHERE account_id = @other", false)]
    [InlineData("CHARGE", "DELETE FROM billing_account WHERE account_id = @other", true)]
    [InlineData("SERVICE_AGREEMENT", "DELETE FROM billing_account WHERE account_id = @other", true)]
    [InlineData("SERVICE_AGREEMENT", "UPDATE billing_account SET account_id = 900001 WHERE account_id = @other", false)]
    [InlineData("SERVICE_AGREEMENT", "UPDATE billing_account SET account_id = 900001 WHERE account_id = @other", true)]
    [InlineData("SUBSCRIBER", "UPDATE subscriber SET account_id = @a WHERE subscriber_id = @s; DELETE FROM billing_account WHERE account_id = @other", true)]
    [InlineData("BILLING_ACCOUNT", "DELETE FROM bill WHERE bill_id = @b; DELETE FROM subscriber WHERE subscriber_id = @s", true)]
    public async Task A_change_while_the_snapshot_is_read_reaches_them_too(string readBefore, string change, bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 600);
        // A subscriber whose charges stay with the account that it leaves.
        await UnloggedAsync(scenario, $"{SomeAccount} UPDATE subscriber SET account_id = @other WHERE subscriber_id = @s");
        await scenario.ExportAsync(new SnapshotOptions { Entities = [readBefore] });
        await UnloggedAsync(scenario, $"SET @s = (SELECT c.subscriber_id FROM charge c JOIN subscriber s USING (subscriber_id) WHERE c.account_id <> s.account_id LIMIT 1); SET @other = (SELECT account_id FROM subscriber WHERE subscriber_id = @s); SET @a = (SELECT account_id FROM charge WHERE subscriber_id = @s ORDER BY account_id = @other LIMIT 1); SET @b = (SELECT bill_id FROM charge WHERE account_id = @a AND bill_id IS NOT NULL LIMIT 1); {change}");
        await scenario.ExportAsync();

        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    private static async Task UnloggedAsync(Scenario scenario, string sql)
    {
        await using var connection = await ResetAsync(scenario);
        await ExecuteAsync(connection, sql);
    }

    private static async Task<MySqlConnection> ResetAsync(Scenario scenario)
    {
        var connection = new MySqlConnection(new MySqlConnectionStringBuilder(scenario.Database.ConnectionString) { Pooling = false, AllowUserVariables = true }.ConnectionString);
        await connection.OpenAsync(Cancel);
        await connection.ResetConnectionAsync(Cancel);
        return connection;
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
