using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;

namespace BillingMigration.Store.Tests;

/// <summary>Applications go on while their backend is switched, to and fro.</summary>
public sealed class SwitchTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Applications_are_switched_to_the_table_and_back_and_over_again_and_nothing_is_lost(bool mariaDb)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb);
        await using var store = await shop.OpenAsync();
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ROUTED"), Cancel))["account_id"]!;
        using var clients = new PostingClients(store, account);
        await clients.PostedAsync(50);

        foreach (var to in new[] { RouteState.DynamoDb, RouteState.MySql, RouteState.DynamoDb, RouteState.MySql })
        {
            var result = await shop.SwitchAsync(to);
            Assert.Equal((SwitchOutcome.Switched, to), (result.Outcome, result.Route.State));
            TestContext.Current.TestOutputHelper?.WriteLine($"{DateTime.UtcNow:mm:ss} {to}: stall {result.Stall?.TotalMilliseconds:0} ms of {result.Duration.TotalSeconds:0.0} s; {string.Join(", ", result.Steps.Select(s => $"{s.Name} {s.Took.TotalMilliseconds:0}"))}");
            await clients.PostedAsync(50);
            Assert.Equal(to, store.Route.State);
        }

        await clients.StopAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"longest call {clients.Longest.TotalMilliseconds:0} ms, {clients.Acknowledged.Count()} charges");
        var charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account), Cancel);
        Assert.Equal(clients.Acknowledged.Order(), charges.Select(c => c.Get<decimal>("amount")).Order());
        Assert.Equal(charges.Sum(c => c.Get<decimal>("amount") + c.Get<decimal>("tax_amount")), (await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel))!["balance"]);

        await using var session = await shop.Migration.ConnectAsync();
        await new Sync.ChangeFollower(session, new Sync.SyncOptions()).RunAsync(new Progress<Sync.SyncProgress>(), Cancel);
        await shop.RequireEqualAsync();
    }

    [Fact]
    public async Task Differences_are_told_before_anybody_waits()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await shop.Database.ExecuteAsync("UPDATE billing_account SET balance = balance + 1 WHERE account_id = 1");
        await using var session = await shop.Migration.ConnectAsync();
        await new Sync.ChangeFollower(session, new Sync.SyncOptions()).RunAsync(new Progress<Sync.SyncProgress>(), Cancel);
        await shop.Migration.Client.UpdateItemAsync(
            new UpdateItemRequest
            {
                TableName = shop.Migration.Table,
                Key = new() { ["pk"] = new AttributeValue("ACCOUNT#1"), ["sk"] = new AttributeValue("ACCOUNT") },
                UpdateExpression = "SET balance = :wrong",
                ExpressionAttributeValues = new() { [":wrong"] = new AttributeValue { N = "0.07" } },
            },
            Cancel);

        var refused = await Assert.ThrowsAsync<MigrationException>(() => shop.SwitchAsync(RouteState.DynamoDb));

        Assert.Equal("SwitchNotEqual", refused.ErrorId);
        Assert.DoesNotContain(RouteState.Draining, (await session.Control.ListRoutesAsync(Cancel)).Select(r => r.State));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_comparison_passes_and_fails_while_applications_work_on_the_table(bool mariaDb)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb);
        await using var store = await shop.OpenAsync();
        await store.InsertAsync(BillingEntity.Account, SampleRows.Account("FIRST"), Cancel);
        await shop.SwitchAsync(RouteState.DynamoDb);
        await using var session = await shop.Migration.ConnectAsync();
        var writes = 0;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        async Task WriteAsync()
        {
            while (!enough.IsCancellationRequested)
            {
                await store.InsertAsync(BillingEntity.Account, SampleRows.Account($"NEW-{Interlocked.Increment(ref writes)}"), Cancel);
                await Task.Delay(20, Cancel);
            }
        }

        var writing = WriteAsync();
        await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ALONE"), Cancel);
        // Nobody writes it back: what the table has more is no difference yet.
        var alone = await CheckAsync(TimeSpan.FromSeconds(1));
        Assert.Equal(IntegrityOutcome.NotDecidable, alone.Outcome);
        Assert.Contains("-Direction Reverse", alone.Reason, StringComparison.Ordinal);

        var writingBack = new Reverse.ReverseFollower(session, new Reverse.ReverseOptions { Follow = true }).RunAsync(new Progress<Reverse.ReverseProgress>(), enough.Token);
        var passed = await CheckAsync(new IntegrityOptions().Patience);
        Assert.True(passed.Passed, $"{passed.Outcome}: {passed.Reason} {string.Join("; ", passed.Differences.Take(3).Select(d => $"{d.Kind} {d.Entity} {d.Key}"))}");

        // Past the fence, and past the way back.
        await shop.Database.ExecuteAsync("UPDATE billing_account SET balance = balance + 1 WHERE account_id = 1");
        var failed = await CheckAsync(new IntegrityOptions().Patience);
        Assert.Equal(("BILLING_ACCOUNT", "account_id=1"), (Assert.Single(failed.Differences).Entity, failed.Differences[0].Key));
        await enough.CancelAsync();
        await writing;
        await ((Task)writingBack).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

        Task<IntegrityResult> CheckAsync(TimeSpan patience) => new IntegrityChecker(session, new IntegrityOptions { Patience = patience }).RunAsync(new Progress<IntegrityProgress>(), Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Proof_goes_on_from_what_was_compared_though_rows_never_stand_still(bool mariaDb)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb);
        await using var store = await shop.OpenAsync();
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("BUSY"), Cancel))["account_id"]!;
        using var clients = new PostingClients(store, account);
        await using var session = await shop.Migration.ConnectAsync();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var following = new Sync.ChangeFollower(session, new Sync.SyncOptions { Until = null, Follow = true }).RunAsync(new Progress<Sync.SyncProgress>(), enough.Token);
        await clients.PostedAsync(50);
        await shop.Database.ExecuteAsync("FLUSH BINARY LOGS");
        var since = await shop.LastBinlogAsync();
        var proof = new Cutover.Proof(session, looksBefore: 1, rowsBefore: 100);
        await proof.WarmAsync(Cancel);

        await clients.StopAsync();
        await enough.CancelAsync();
        await ((Task)following).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await new Sync.ChangeFollower(session, new Sync.SyncOptions()).RunAsync(new Progress<Sync.SyncProgress>(), Cancel);
        // Nobody can compare again from the verdict on.
        await shop.Database.ExecuteAsync($"PURGE BINARY LOGS TO '{since}'");
        await proof.RequireAsync(Cancel);
        await shop.RequireEqualAsync();
    }

    [Fact]
    public async Task Gates_that_are_closed_are_told_at_once_and_some_may_be_passed_over()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var session = await shop.Migration.ConnectAsync();
        var plan = await Switch(session, RouteState.DynamoDb).PlanAsync(Cancel);
        Assert.Equal(["Changes", "Integrity", "Stream"], plan.Gates.Where(g => !g.IsOpen).Select(g => g.Name).Order());
        Assert.Contains(plan.Steps, s => s.Name == "Fence");

        var closed = await Assert.ThrowsAsync<MigrationException>(() => Switch(session, RouteState.DynamoDb).RunAsync(new Progress<SwitchProgress>(), Cancel));
        Assert.Equal("SwitchGateClosed", closed.ErrorId);
        Assert.All(["Changes:", "Integrity:", "Stream:"], name => Assert.Contains(name, closed.Message, StringComparison.Ordinal));
        var forced = await Assert.ThrowsAsync<MigrationException>(() => Switch(session, RouteState.DynamoDb, o => o with { Force = ["Integrity", "Stream"] }).RunAsync(new Progress<SwitchProgress>(), Cancel));
        Assert.Equal("SwitchGateNotForced", forced.ErrorId);
        var unknown = await Assert.ThrowsAsync<MigrationException>(() => Switch(session, RouteState.DynamoDb, o => o with { Force = ["Everything"] }).PlanAsync(Cancel));
        Assert.Equal("SwitchGateUnknown", unknown.ErrorId);
        Assert.Equal(RouteState.MySql, (await session.Control.FindRouteAsync(Cancel)).State);
    }

    [Fact]
    public async Task A_definition_that_lacks_keys_closes_the_gate_of_the_store()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        // Without its index by id.
        shop.Migration.Definition = shop.Migration.Definition with
        {
            Entities = [.. shop.Migration.Definition.Entities.Select(e => e.Entity == BillingEntity.Charge ? e with { Indexes = e.Indexes.Remove("gsi2") } : e)],
        };
        await using var session = await shop.Migration.ConnectAsync();
        foreach (var to in new[] { RouteState.Shadow, RouteState.DynamoDb })
        {
            var gate = (await Switch(session, to).PlanAsync(Cancel)).Gates.Single(g => g.Name == "Store");
            Assert.False(gate.IsOpen);
            Assert.Contains("CHARGE does not allow Get:", gate.Detail, StringComparison.Ordinal);
            Assert.Contains("\"gsi2\": { \"pk\": \"CHARGE#{charge_id}\", \"sk\": \"CHARGE\" }", gate.Detail, StringComparison.Ordinal);
            var closed = await Assert.ThrowsAsync<MigrationException>(() => Switch(session, to).RunAsync(new Progress<SwitchProgress>(), Cancel));
            Assert.Equal("SwitchGateClosed", closed.ErrorId);
            Assert.Contains("Store:", closed.Message, StringComparison.Ordinal);
        }

        Assert.Equal(RouteState.MySql, (await session.Control.FindRouteAsync(Cancel)).State);
        var forced = await Switch(session, RouteState.Shadow, o => o with { Force = ["Store"] }).RunAsync(new Progress<SwitchProgress>(), Cancel);
        Assert.Equal(RouteState.Shadow, forced.Route.State);
        Assert.Equal(["Store"], forced.Forced);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Accounts_that_are_locked_out_come_back(bool mariaDb)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb);
        await using var store = await shop.OpenAsync();
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("LOCKED"), Cancel))["account_id"]!;
        using var clients = new PostingClients(store, account);
        await clients.PostedAsync(20);
        SwitchOptions Locking(SwitchOptions o, params string[] accounts) => o with { Fence = SourceFence.AccountLock, FenceAccounts = [.. accounts] };
        foreach (var (accounts, refused) in new (string[], string)[] { ([], "FenceAccountsMissing"), (["application"], "FenceAccountInvalid"), (["root@%"], "FenceAccountOwn") })
        {
            Assert.Equal(refused, (await Assert.ThrowsAsync<MigrationException>(() => shop.SwitchAsync(RouteState.DynamoDb, o => Locking(o, accounts)))).ErrorId);
        }

        // One who goes past the store, and has a transaction open: it is rolled back.
        await using var past = await LogInAsync();
        await SwitchShop.ExecuteAsync(past, $"BEGIN; UPDATE billing_account SET balance = 77777 WHERE account_id = {account}");
        var result = await shop.SwitchAsync(RouteState.DynamoDb, o => Locking(o, "application@%") with { OnState = (route, _) => route.State == RouteState.DynamoDb ? throw new InvalidOperationException("the flag is not there") : Task.CompletedTask });
        Assert.Equal(RouteState.DynamoDb, result.Route.State);
        Assert.Contains("the flag is not there", Assert.Single(result.Warnings), StringComparison.Ordinal);
        await clients.PostedAsync(20);
        await Assert.ThrowsAsync<MySqlConnector.MySqlException>(() => SwitchShop.ExecuteAsync(past, "COMMIT"));
        var locked = await Assert.ThrowsAsync<MySqlConnector.MySqlException>(LogInAsync);
        Assert.Contains("locked", locked.Message, StringComparison.OrdinalIgnoreCase);

        await shop.SwitchAsync(RouteState.MySql);
        await clients.PostedAsync(20);
        await using (await LogInAsync())
        {
        }

        await clients.StopAsync();
        var charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account), Cancel);
        Assert.Equal(clients.Acknowledged.Order(), charges.Select(c => c.Get<decimal>("amount")).Order());
        Assert.Equal(charges.Sum(c => c.Get<decimal>("amount") + c.Get<decimal>("tax_amount")), (await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel))!["balance"]);

        async Task<MySqlConnector.MySqlConnection> LogInAsync()
        {
            var connection = new MySqlConnector.MySqlConnection(
                new MySqlConnector.MySqlConnectionStringBuilder(shop.Database.ConnectionString) { UserID = shop.Application.UserName, Password = shop.Application.Password, Pooling = false }.ConnectionString);
            await connection.OpenAsync(Cancel);
            return connection;
        }
    }

    [Fact]
    public async Task While_applications_work_on_the_table_nothing_writes_it_from_the_source()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await shop.SwitchAsync(RouteState.DynamoDb);
        await using var session = await shop.Migration.ConnectAsync();
        async Task RefusedAsync(Func<Task> job) => Assert.Equal("ApplicationsSwitched", (await Assert.ThrowsAsync<MigrationException>(job)).ErrorId);
        await RefusedAsync(() => new Sync.ChangeFollower(session, new Sync.SyncOptions()).RunAsync(new Progress<Sync.SyncProgress>(), Cancel));
        await RefusedAsync(() => new Snapshot.SnapshotExporter(session, new Snapshot.SnapshotOptions { Restart = true }).RunAsync(new Progress<Snapshot.SnapshotProgress>(), Cancel));
        await RefusedAsync(() => Integrity.ItemRepairer.OpenAsync(session, allowDelete: false, Cancel));

        // A shorter lease holds from the flip on: before, applications may know the longer one.
        Assert.Equal([500, 500, 500], (await session.Control.ListRoutesAsync(Cancel)).Select(r => r.Lease.TotalMilliseconds));
        var again = await shop.SwitchAsync(RouteState.DynamoDb);
        Assert.Equal(SwitchOutcome.AlreadyThere, again.Outcome);
        await using var other = await shop.Database.OpenAsync();
        Assert.Equal("1", await Source.SourceConnections.ScalarAsync(other, "SELECT @@global.read_only", Cancel));

        await shop.SwitchAsync(RouteState.MySql, o => o with { RouteLease = TimeSpan.FromMilliseconds(200) });
        Assert.Equal([500, 500, 500, 500, 200], (await session.Control.ListRoutesAsync(Cancel)).Select(r => r.Lease.TotalMilliseconds));
        Assert.Equal("ReverseNotAllowed", (await Assert.ThrowsAsync<MigrationException>(() => new Reverse.ReverseFollower(session, new Reverse.ReverseOptions()).RunAsync(new Progress<Reverse.ReverseProgress>(), Cancel))).ErrorId);
        Assert.Equal("0", await Source.SourceConnections.ScalarAsync(other, "SELECT @@global.read_only", Cancel));
        Assert.Equal([("DynamoDb", "Switched"), ("MySql", "Switched")], (await session.Control.ListSwitchesAsync(Cancel)).Where(s => s.Steps.Length > 0).Select(s => (s.To.ToString(), s.Outcome!)));
    }

    private static BackendSwitch Switch(MigrationSession session, RouteState to, Func<SwitchOptions, SwitchOptions>? with = null)
    {
        var options = new SwitchOptions { To = to, Reason = "a test" };
        return new BackendSwitch(session, with?.Invoke(options) ?? options);
    }
}
