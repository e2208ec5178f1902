using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;

namespace BillingMigration.Tests.Sync;

/// <summary>Consistent is said when it is so, and never before.</summary>
public sealed class SyncStateTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void One_combination_in_sixty_four_is_consistent()
    {
        for (var bits = 0; bits < 64; bits++)
        {
            bool Bit(int n) => (bits & (1 << n)) != 0;
            Assert.Equal(bits == 1 ? SyncState.Consistent : SyncState.Converging, SyncLedger.Judge(Bit(0), Bit(1), Bit(2), Bit(3), Bit(4), Bit(5)));
        }
    }

    [Fact]
    public async Task Stopped_within_a_large_transaction_it_is_converging()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 60_000);
        await scenario.ExportAsync();
        await scenario.SyncAsync();
        await scenario.Database.ExecuteAsync("UPDATE charge SET quantity = 7");
        var time = new TimeWithTrigger();
        await using var session = await MigrationSession.ConnectAsync(scenario.Migration.Definition, scenario.Migration.Credential, SampleMigration.Access, new(), time, Cancel);
        var options = new SyncOptions { MaxDuration = TimeWithTrigger.Triggered, ItemsPerSecond = 8_000 };

        var result = await new ChangeFollower(session, options).RunAsync(new OnItems(time.Fire), Cancel);

        Assert.Equal((SyncOutcome.Stopped, SyncState.Converging), (result.Outcome, result.State));
        Assert.NotEqual(0, result.ItemsPut);
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_XA_transaction_that_was_prepared_before_the_snapshot_is_in_the_table_when_it_ends(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 300);
        await using var connection = await scenario.Database.OpenAsync();
        await ExecuteAsync(connection, "XA START 'early'; UPDATE charge SET quantity = 3 WHERE charge_id % 2 = 0; DELETE FROM charge WHERE charge_id % 5 = 0; XA END 'early'; XA PREPARE 'early'");
        await scenario.ExportAsync();
        await scenario.SyncAsync();
        await ExecuteAsync(connection, "XA COMMIT 'early'");

        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    [Fact]
    public async Task Foreign_keys_belong_to_the_model()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 300);
        await scenario.ExportAsync();
        await scenario.SyncAsync();
        await scenario.Database.ExecuteAsync("ALTER TABLE charge ADD CONSTRAINT another FOREIGN KEY (bill_id) REFERENCES bill (bill_id) ON DELETE CASCADE");

        Assert.Equal("SnapshotModelChanged", (await Assert.ThrowsAsync<MigrationException>(() => scenario.SyncAsync())).ErrorId);
        await scenario.Database.ExecuteAsync("ALTER TABLE charge DROP FOREIGN KEY another");
        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.SyncAsync());
        Assert.Equal(("SchemaChanged", true), (error.ErrorId, error.Message.Contains("binlog.", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("1-11-2500", typeof(SyncUntil.Position))]
    [InlineData("0-1-100,1-2-2026", typeof(SyncUntil.Position))]
    [InlineData("2026-12-31", typeof(SyncUntil.Time))]
    [InlineData("2026-12-31T23:00:00Z", typeof(SyncUntil.Time))]
    [InlineData("binlog.000012:1547", typeof(SyncUntil.Position))]
    [InlineData("CaughtUp", typeof(SyncUntil.CaughtUp))]
    public void A_position_of_MariaDb_is_no_date(string text, Type expected) =>
        Assert.IsType(expected, SyncUntil.Parse(text, new SourceServer(SourceFlavor.MariaDb, new Version(10, 11), "10.11-MariaDB", "1", true, true)));

    [Fact]
    public void The_place_to_begin_again_moves_on_while_XA_transactions_overlap()
    {
        var tracker = new StreamTracker(new SourcePosition { Flavor = SourceFlavor.MySql, ServerIdentity = "a", File = "binlog.000001", Offset = 4 }, "a");
        var last = new XidEvent();
        for (var i = 1; i <= 5; i++)
        {
            last.Place(default, "binlog.000001", i * 100);
            tracker.Prepare($"x{i}", null, last);
            last.Place(default, "binlog.000001", (i * 100) + 50);
            tracker.Release($"x{i - 1}");
            tracker.End(null, last);
        }

        // The oldest that is not over began behind the end of the one before it.
        Assert.Equal((550, 450), (tracker.Now().Seen.Offset, tracker.Now().Restart.Offset));
    }

    private static async Task ExecuteAsync(MySqlConnector.MySqlConnection connection, string sql)
    {
        await using var command = new MySqlConnector.MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private sealed class OnItems(Action stop) : IProgress<SyncProgress>
    {
        private bool stopped;

        public void Report(SyncProgress value)
        {
            if (value.Items > 0 && !stopped)
            {
                stopped = true;
                stop();
            }
        }
    }
}
