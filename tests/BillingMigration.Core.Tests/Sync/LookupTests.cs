using System.Globalization;
using System.Threading.Channels;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Sync;
using BillingMigration.Target;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>Rows whose keys are made with a column of their parent are followed exactly, whatever becomes of the parent.</summary>
public sealed class LookupTests(TestServers servers)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Children_follow_their_parent_wherever_it_goes(bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb);
        await shop.ExportAsync();

        // Each row is read from the stream long after its parent became another one.
        await shop.Database.ExecuteAsync("""
            INSERT INTO invoice VALUES (10, 4, 'NEW'); INSERT INTO line VALUES (100, 10, 1), (101, 1, 2);
            UPDATE invoice SET acct_id = 2 WHERE invoice_id = 1;
            UPDATE line SET amount = 11 WHERE line_id = 1;
            UPDATE invoice SET acct_id = 5, state = 'MOVED' WHERE invoice_id = 1;
            UPDATE line SET invoice_id = 4 WHERE line_id = 2;
            DELETE FROM line WHERE invoice_id = 3; DELETE FROM invoice WHERE invoice_id = 3;
            INSERT INTO invoice VALUES (3, 5, NULL); INSERT INTO line VALUES (4, 3, 41);
            UPDATE invoice SET state = NULL WHERE invoice_id = 4;
            DELETE FROM line WHERE line_id = 101
            """);
        var result = await shop.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        await shop.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false, 1, false)]
    [InlineData(true, 2, false)]
    [InlineData(false, 3, true)]
    [InlineData(true, 4, true)]
    public async Task Random_changes_during_export_and_sync_end_right_after_every_kill(bool mariaDb, int seed, bool byThemselves)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb, definition: byThemselves ? LookupShop.LinesByThemselves : null);
        await shop.WriteAsync(seed, 100);
        var writing = shop.WriteAsync(seed + 10, 300);
        await shop.ExportAsync();
        await writing;
        await shop.SyncAsync();
        await shop.AssertEqualAsync();

        // Nothing was saved: all is read again, into a table that is at its end.
        await shop.RewindAsync(null);
        await shop.SyncAsync();
        await shop.AssertEqualAsync();
        for (var round = 0; round < 3; round++)
        {
            var checkpoint = await shop.CheckpointAsync();
            await shop.WriteAsync(seed + 20 + round, 100);
            await shop.SyncAsync();
            await shop.AssertEqualAsync();
            await shop.RewindAsync(checkpoint);
            await shop.WriteAsync(seed + 30 + round, 50);
            Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
            await shop.AssertEqualAsync();
        }
    }

    [Fact]
    public async Task A_kill_between_the_new_items_and_the_end_of_the_old_ones_leaves_none_twice()
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb: false);
        await shop.ExportAsync();
        await shop.SyncAsync();
        var (checkpoint, before) = (await shop.CheckpointAsync(), await shop.ItemsAsync());
        await shop.Database.ExecuteAsync("UPDATE invoice SET acct_id = 2 WHERE invoice_id = 1");
        await shop.SyncAsync();
        await shop.AssertEqualAsync();

        await shop.RewindAsync(checkpoint);
        foreach (var item in before.Where(i => i["entity"].S == "CHARGE" && i["invoice_id"].N == "1"))
        {
            await shop.PutAsync(item);
        }

        await shop.SyncAsync();
        await shop.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_XA_transaction_gives_them_the_keys_that_hold_at_its_end(bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb);
        await shop.ExportAsync();
        await using var connection = await shop.Database.OpenAsync();
        await ExecuteAsync(connection, "XA START 'x'; UPDATE line SET amount = 0 WHERE line_id = 1; INSERT INTO line VALUES (200, 4, 1); XA END 'x'; XA PREPARE 'x'");
        await shop.SyncAsync();
        await shop.Database.ExecuteAsync("UPDATE invoice SET state = 'LATER' WHERE invoice_id = 3");
        await ExecuteAsync(connection, "XA COMMIT 'x'");

        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await shop.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cascade_that_the_source_does_not_log_reaches_them(bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb);
        await shop.Database.ExecuteAsync("ALTER TABLE line DROP FOREIGN KEY line_ibfk_1, ADD CONSTRAINT by_invoice FOREIGN KEY (invoice_id) REFERENCES invoice (invoice_id) ON DELETE CASCADE ON UPDATE CASCADE");
        await shop.ExportAsync();
        await shop.SyncAsync();
        await using var connection = await shop.Database.OpenAsync();
        await connection.ResetConnectionAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync(connection, "DELETE FROM invoice WHERE invoice_id = 1; UPDATE invoice SET invoice_id = 77, acct_id = 5 WHERE invoice_id = 3; UPDATE invoice SET state = 'THEN' WHERE invoice_id = 77");

        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await shop.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_child_that_comes_after_an_unlogged_change_of_its_parent_has_the_new_key(bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb);
        await shop.Database.ExecuteAsync("ALTER TABLE invoice DROP FOREIGN KEY invoice_ibfk_1, ADD CONSTRAINT by_acct FOREIGN KEY (acct_id) REFERENCES acct (acct_id) ON UPDATE CASCADE");
        await shop.ExportAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var reports = Channel.CreateUnbounded<SyncProgress>();
        await using var session = await shop.Migration.ConnectAsync();
        var following = new ChangeFollower(session, new SyncOptions { Until = null, Follow = true }).RunAsync(new Reports(reports.Writer), stop.Token);
        _ = following.ContinueWith(_ => reports.Writer.TryComplete(), TaskScheduler.Default);
        await using var connection = await shop.Database.OpenAsync();
        await connection.ResetConnectionAsync(TestContext.Current.CancellationToken);

        // The stream says what the parent is; then it changes, and the stream says only that its own parent did.
        await ExecuteAsync(connection, "UPDATE invoice SET state = 'SEEN' WHERE invoice_id = 1");
        await LineAsync(1, line => line["gsi1pk"].S == "STATE#SEEN");
        await ExecuteAsync(connection, "UPDATE acct SET acct_id = 9 WHERE acct_id = 1");
        await LineAsync(1, line => line["pk"].S == "ACCOUNT#9");
        await ExecuteAsync(connection, "INSERT INTO line VALUES (900, 1, 5)");
        Assert.Equal("ACCOUNT#9", (await LineAsync(900, _ => true))["pk"].S);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await shop.AssertEqualAsync();

        async Task<Dictionary<string, AttributeValue>> LineAsync(int id, Predicate<Dictionary<string, AttributeValue>> isSo)
        {
            while (true)
            {
                var line = (await shop.ItemsAsync()).Find(i => i["entity"].S == "CHARGE" && i["line_id"].N == id.ToString(CultureInfo.InvariantCulture));
                if (line is not null && isSo(line))
                {
                    return line;
                }

                Assert.False(following.IsCompleted, following.Exception?.Message);
                await reports.Reader.ReadAsync(TestContext.Current.CancellationToken);
            }
        }
    }

    [Fact]
    public async Task What_an_index_shows_as_before_is_not_read_again_and_what_it_shows_besides_is()
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb: false);
        await shop.ExportAsync();
        await using var session = await shop.Migration.ConnectAsync();
        var tables = await SchemaInspector.InspectAsync(
            await session.Source.OpenConnectionAsync(TestContext.Current.CancellationToken), session.Definition.Source.Database, BillingModel.TablesOf(session.Definition), TestContext.Current.CancellationToken);
        var model = BillingModel.Bind(session.Definition, tables);
        var link = model.Links.OfParent(model.Entities[1]).Single(l => l.IsLookup);
        var invoice = RowBuffer.AllNull(model.Entities[1].Row.Length);
        invoice.Set(link.ParentColumns[0], "3");
        using var items = new ItemReader(session.Target, shop.Migration.Table, new TransferMetrics(), new RetryPolicy(), TimeProvider.System);
        var finder = new ChildFinder(model, items);
        var shown = new ShownChildren();
        async Task<int> FoundAsync(ShownChildren? noted)
        {
            var count = 0;
            await foreach (var _ in finder.FindAsync([new ChildWay(link, invoice, noted)], TestContext.Current.CancellationToken))
            {
                count++;
            }

            return count;
        }

        Assert.NotNull(link.Way!.Index);
        Assert.Equal(2, await FoundAsync(shown));
        Assert.Equal(0, await FoundAsync(shown));
        Assert.Equal(2, await FoundAsync(null));
        var line = (await shop.ItemsAsync()).Find(i => i["entity"].S == "CHARGE" && i["line_id"].N == "4")!;
        await shop.PutAsync(new(line) { ["sk"] = new("CHARGE#0000000040"), ["gsi1sk"] = new("CHARGE#0000000040"), ["gsi2sk"] = new("CHARGE#0000000040"), ["line_id"] = new() { N = "40" } });
        Assert.Equal(3, await FoundAsync(shown));
        Assert.Equal(0, await FoundAsync(shown));
    }

    [Fact]
    public async Task No_change_of_a_parent_reads_the_table_as_a_whole()
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb: false);
        await shop.ExportAsync();
        await shop.SyncAsync();
        var endpoint = shop.Migration.Definition.Target.EndpointUrl!;
        await using var way = FaultProxy.Start(endpoint.Host, endpoint.Port, ProxiedProtocol.Http);
        shop.Migration.Definition = shop.Migration.Definition with { Target = shop.Migration.Definition.Target with { EndpointUrl = way.Url } };
        using var scans = way.Faults.While(HttpFault.AccessDenied, "Scan");
        await shop.Database.ExecuteAsync("UPDATE invoice SET acct_id = 5, state = 'MOVED' WHERE invoice_id = 1; DELETE FROM line WHERE invoice_id = 3; DELETE FROM invoice WHERE invoice_id = 3");

        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        Assert.Equal(0, scans.Hits);
        await shop.AssertEqualAsync();
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
