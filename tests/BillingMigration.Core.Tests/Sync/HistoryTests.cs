using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>A source whose binlog is no more the one that was followed, though server, GTIDs and files have the same names.</summary>
public sealed class HistoryTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<bool> Flavors => [false, true];

    [Theory]
    [MemberData(nameof(Flavors))]
    public async Task A_history_that_is_begun_anew_stops_the_sync_and_a_comparison_goes_on(bool mariaDb)
    {
        await using var server = await OwnAsync(mariaDb);

        // More transactions than the history had before, and fewer.
        foreach (var transactions in (int[])[300, 1])
        {
            await using var shop = await LookupShop.CreateAsync(servers, server, schema: null, definition: null);
            await shop.Database.ExecuteAsync("CREATE TABLE other (id INT PRIMARY KEY)");
            await shop.ExportAsync();
            Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
            Assert.Equal(IntegrityOutcome.Passed, (await CheckAsync(shop, IntegrityMethod.Full)).Outcome);
            await ResetAsync(shop, mariaDb);
            await shop.Database.ExecuteAsync("UPDATE line SET amount = 1000 WHERE line_id = 1; DELETE FROM line WHERE line_id = 2");
            await shop.Database.ExecuteAsync(string.Concat(Enumerable.Range(1, transactions).Select(i => $"INSERT INTO other VALUES ({i});")));

            Assert.Equal("SourceHistoryChanged", (await Assert.ThrowsAsync<MigrationException>(() => shop.SyncAsync())).ErrorId);
            Assert.Equal("SourceHistoryChanged", (await Assert.ThrowsAsync<MigrationException>(() => CheckAsync(shop, IntegrityMethod.Since))).ErrorId);
            Assert.Equal("SourceHistoryChanged", (await Assert.ThrowsAsync<MigrationException>(() => shop.SyncAsync())).ErrorId);

            Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), await EndAsync(shop.SyncAsync(new SyncOptions { Restart = true })));
            await shop.AssertEqualAsync();
            await shop.Database.ExecuteAsync("UPDATE line SET amount = 1001 WHERE line_id = 1");
            Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), await EndAsync(shop.SyncAsync()));
            await shop.AssertEqualAsync();

            // Nothing can be told since the verdict of before; a new one can be gone on from.
            Assert.Equal("SourceHistoryChanged", (await Assert.ThrowsAsync<MigrationException>(() => CheckAsync(shop, IntegrityMethod.Since))).ErrorId);
            Assert.Equal(IntegrityOutcome.Passed, (await CheckAsync(shop, IntegrityMethod.Full)).Outcome);
            await shop.Database.ExecuteAsync("UPDATE line SET amount = 1002 WHERE line_id = 1");
            Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), await EndAsync(shop.SyncAsync()));
            Assert.Equal(IntegrityOutcome.Passed, (await CheckAsync(shop, IntegrityMethod.Since)).Outcome);
        }
    }

    [Theory]
    [MemberData(nameof(Flavors))]
    public async Task It_is_noticed_by_the_first_sync_and_by_one_that_follows(bool mariaDb)
    {
        await using var server = await OwnAsync(mariaDb);
        await using var shop = await LookupShop.CreateAsync(servers, server, schema: null, definition: null);
        await shop.ExportAsync();
        await ResetAsync(shop, mariaDb);
        await shop.Database.ExecuteAsync("UPDATE line SET amount = 1000 WHERE line_id = 1; " + string.Concat(Enumerable.Range(0, 100).Select(i => $"UPDATE acct SET note = '{i}' WHERE acct_id = 1;")));
        Assert.Equal("SourceHistoryChanged", (await Assert.ThrowsAsync<MigrationException>(() => shop.SyncAsync())).ErrorId);

        await using var session = await shop.Migration.ConnectAsync();
        var consistent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var progress = new Progress<SyncProgress>(p =>
        {
            if (p.State == SyncState.Consistent)
            {
                consistent.TrySetResult();
            }
        });
        var following = new ChangeFollower(session, new SyncOptions { Restart = true, Follow = true, Until = null }).RunAsync(progress, Cancel);
        await Task.WhenAny(consistent.Task, following);
        await shop.AssertEqualAsync();
        await ResetAsync(shop, mariaDb);
        await shop.Database.ExecuteAsync(string.Concat(Enumerable.Range(0, 200).Select(i => $"UPDATE acct SET note = '{i}' WHERE acct_id = 2;")));
        Assert.Equal("SourceHistoryChanged", (await Assert.ThrowsAsync<MigrationException>(() => following)).ErrorId);
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), await EndAsync(shop.SyncAsync(new SyncOptions { Restart = true })));
        await shop.AssertEqualAsync();
    }

    [Theory]
    [MemberData(nameof(Flavors))]
    public async Task Where_the_files_of_the_checkpoint_are_purged_all_is_compared(bool mariaDb)
    {
        await using var server = await OwnAsync(mariaDb);
        await using var shop = await LookupShop.CreateAsync(servers, server, schema: null, definition: null);
        await shop.ExportAsync();
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);

        // What no binlog has is found by a comparison alone.
        await shop.Database.ExecuteAsync("SET sql_log_bin = 0; UPDATE line SET amount = 7777 WHERE line_id = 1; SET sql_log_bin = 1; FLUSH BINARY LOGS; FLUSH BINARY LOGS; INSERT INTO line VALUES (99, 1, 99)");
        await PurgeAsync(shop);
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), await EndAsync(shop.SyncAsync()));
        await shop.AssertEqualAsync();

        // Once: the checkpoint has a file that is there.
        await shop.Database.ExecuteAsync("SET sql_log_bin = 0; UPDATE line SET amount = 7778 WHERE line_id = 1; SET sql_log_bin = 1");
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), await EndAsync(shop.SyncAsync()));
        Assert.Contains("7777", (await shop.ItemsAsync()).Where(i => i["entity"].S == "CHARGE").Select(i => i["amount"].N));
    }

    private static async Task<SqlServerProcess> OwnAsync(bool mariaDb) =>
        mariaDb ? await MariaDbServer.StartAsync("--max-connections=200") : await MySqlServer.StartAsync("--max-connections=200");

    private static Task ResetAsync(LookupShop shop, bool mariaDb) => shop.Database.ExecuteAsync(mariaDb ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS");

    private static async Task PurgeAsync(LookupShop shop)
    {
        await using var connection = await shop.Database.OpenAsync();
        var last = "";
        await using (var command = new MySqlCommand("SHOW BINARY LOGS", connection))
        await using (var reader = await command.ExecuteReaderAsync(Cancel))
        {
            while (await reader.ReadAsync(Cancel))
            {
                last = reader.GetString(0);
            }
        }

        await shop.Database.ExecuteAsync($"PURGE BINARY LOGS TO '{last}'");
    }

    private static async Task<IntegrityResult> CheckAsync(LookupShop shop, IntegrityMethod method)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new IntegrityChecker(session, new IntegrityOptions { Method = method }).RunAsync(new Progress<IntegrityProgress>(), Cancel);
    }

    private static async Task<(SyncOutcome Outcome, SyncState State)> EndAsync(Task<SyncResult> sync)
    {
        var result = await sync;
        return (result.Outcome, result.State);
    }
}
