using BillingMigration.Control;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Sync;

/// <summary>Changes of every kind, made during and after the export, arrive.</summary>
public sealed class CatchUpTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_insert_an_update_and_a_delete_arrive()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        await scenario.Database.ExecuteAsync("UPDATE charge SET amount = amount + 1 WHERE charge_id % 3 = 0");
        await scenario.Database.ExecuteAsync("DELETE FROM charge WHERE charge_id % 7 = 0");

        var result = await scenario.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        Assert.True(result is { Updated: > 0, Deleted: > 0, ItemsPut: > 0, ItemsDeleted: > 0 });
        await scenario.AssertEqualAsync();
        Assert.Equal(0, (await scenario.SyncAsync()).ItemsPut);
    }

    [Fact]
    public async Task Random_changes_during_and_after_the_export_arrive()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 2_000);
        var writing = TortureWriters.RunAsync(
            scenario.Database.ConnectionString, new TortureWriterOptions { Writers = 4, Seed = 5, TransactionsEach = 100, TransactionsPerSecond = 100 }, Cancel);
        await scenario.ExportAsync();
        await scenario.SyncAsync();
        Assert.NotEqual(0, await writing);

        var result = await scenario.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        await scenario.AssertEqualAsync();
    }

    [Fact]
    public async Task A_source_that_does_not_log_cascades_is_refused_until_its_foreign_keys_have_none()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: true, rows: 500);
        await scenario.ExportAsync();
        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.SyncAsync());
        Assert.Equal(("CascadeNotCaptured", MigrationErrorKind.WrongState), (error.ErrorId, error.Kind));
        Assert.Contains("RESTRICT", error.Message, StringComparison.Ordinal);

        foreach (var (table, key) in new[] { ("charge", "charge_account"), ("charge", "charge_subscriber"), ("charge", "charge_bill"), ("bill", "bill_account"), ("service_agreement", "service_agreement_subscriber"), ("subscriber", "subscriber_account") })
        {
            await scenario.Database.ExecuteAsync($"ALTER TABLE {table} DROP FOREIGN KEY {key}");
        }

        await scenario.ExportAsync(new BillingMigration.Snapshot.SnapshotOptions { Restart = true });
        await scenario.Database.ExecuteAsync("UPDATE charge SET amount = amount + 1, charged_at = charged_at + INTERVAL 1 SECOND WHERE charge_id % 3 = 0; DELETE FROM charge WHERE charge_id % 7 = 0");
        var result = await scenario.SyncAsync();
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        await scenario.AssertEqualAsync();
    }

    [Fact]
    public async Task A_cascade_of_a_session_that_was_reset_is_not_logged_and_stops_the_sync()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        await using (var connection = new MySqlConnector.MySqlConnection(scenario.Database.ConnectionString + ";Pooling=false"))
        {
            await connection.OpenAsync(Cancel);
            await connection.ResetConnectionAsync(Cancel);
            await using var command = new MySqlConnector.MySqlCommand("UPDATE subscriber SET display_name = 'x'; DELETE FROM subscriber ORDER BY subscriber_id LIMIT 1", connection);
            await command.ExecuteNonQueryAsync(Cancel);
        }

        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.SyncAsync());
        Assert.Equal(("CascadeNotCaptured", "subscriber"), (error.ErrorId, error.Target));
        Assert.Contains("COM_RESET_CONNECTION", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_short_trial_with_kills_and_cuts_loses_nothing()
    {
        var output = TestContext.Current.TestOutputHelper!;
        await using var server = await SyncCommand.StartAsync("mysql");
        using var log = new StringWriter();
        var options = new SyncTortureOptions { Duration = TimeSpan.FromMinutes(1), Rows = 3_000, TransactionsPerSecond = 50, LongestLife = TimeSpan.FromSeconds(15) };
        var result = await SyncTorture.RunAsync(server, (await servers.DynamoDbAsync()).Endpoint, options, log, Cancel);
        output.WriteLine(log.ToString());
        Assert.Empty(result.Differences);
        Assert.True(result is { Transactions: > 0, Kills: > 0, Cuts: > 0 });
    }
}
