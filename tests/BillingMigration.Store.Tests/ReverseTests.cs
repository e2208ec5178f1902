using System.Collections.Immutable;
using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Reverse;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>What applications write on the table comes back to the source, exactly.</summary>
public sealed class ReverseTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_that_come_go_and_hand_their_unique_values_over_are_in_the_source(bool mariaDb)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb);
        await using var store = await shop.OpenAsync();
        await shop.SwitchAsync(RouteState.DynamoDb);
        var one = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ONE"), Cancel);
        var two = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("TWO"), Cancel);
        var gone = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("GONE"), Cancel);
        var charge = await store.InsertAsync(BillingEntity.Charge, SampleRows.Charge(gone["account_id"]!, 5), Cancel);
        Assert.NotNull(charge);
        Assert.True((await WriteBackAsync(shop)).IsCaughtUp);
        await shop.RequireEqualAsync();

        // The numbers are exchanged by way of a third, and the source is told only then.
        one = await SetAsync(store, one, "account_number", "THREE");
        two = await SetAsync(store, two, "account_number", "ONE");
        await SetAsync(store, one, "account_number", "TWO");
        await store.WriteAsync(new UnitOfWork().Delete(gone), Cancel);
        var result = await WriteBackAsync(shop);
        Assert.Empty(result.Refused);
        await shop.RequireEqualAsync();

        // Once more is nothing more, from a checkpoint that is older too.
        Assert.Equal(0, (await WriteBackAsync(shop)).Rows);
        await shop.SwitchAsync(RouteState.MySql);
        await using var source = await shop.Database.OpenAsync();
        Assert.Equal("TWO,ONE", await Source.SourceConnections.ScalarAsync(
            source, $"SELECT GROUP_CONCAT(account_number ORDER BY account_id) FROM billing_account WHERE account_id IN ({one["account_id"]}, {two["account_id"]})", Cancel));
    }

    /// <summary>An agreement's partition is that of its subscriber's phone number: where its row belongs shows only when the subscriber's has come.</summary>
    [Fact]
    public async Task Rows_whose_keys_come_from_other_rows_are_in_the_source()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false, AgreementsBySubscriber);
        await using var store = await shop.OpenAsync();
        await shop.SwitchAsync(RouteState.DynamoDb);
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("LOOKUP"), Cancel))["account_id"]!;
        var subscriber = await store.InsertAsync(BillingEntity.Subscriber, Subscriber(account, "+1555"), Cancel);
        var first = await store.InsertAsync(BillingEntity.Agreement, Agreement(account, subscriber["subscriber_id"]!), Cancel);
        var second = await store.InsertAsync(BillingEntity.Agreement, Agreement(account, subscriber["subscriber_id"]!), Cancel);
        Assert.Empty((await WriteBackAsync(shop)).Refused);
        await shop.RequireEqualAsync();

        // One moves with a new subscriber of another account, one goes, one goes with its subscriber, and one takes its place.
        var other = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("OTHER"), Cancel))["account_id"]!;
        var moved = await store.InsertAsync(BillingEntity.Subscriber, Subscriber(other, "+1666"), Cancel);
        await store.UpdateAsync(first, SampleRows.Values(("subscriber_id", moved["subscriber_id"]), ("account_id", other)), Cancel);
        await store.DeleteAsync(second, Cancel);
        await store.DeleteAsync(subscriber, Cancel);
        subscriber = await store.InsertAsync(BillingEntity.Subscriber, Subscriber(account, "+1777"), Cancel);
        await store.InsertAsync(BillingEntity.Agreement, Agreement(account, subscriber["subscriber_id"]!), Cancel);
        await store.DeleteAsync((await store.GetAsync(BillingEntity.Agreement, "agreement_id", 1, Cancel))!, Cancel);
        Assert.Empty((await WriteBackAsync(shop)).Refused);
        await shop.RequireEqualAsync();
        await shop.SwitchAsync(RouteState.MySql);
        await shop.RequireEqualAsync();
    }

    /// <summary>The items of a row and of its parent are in different shards: that the one is gone may be read when the source has the parent's new value already, and the row another key by it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_row_whose_parent_came_first_is_looked_for_under_its_new_key(bool moved)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false, AgreementsBySubscriber);
        await using var session = await shop.Migration.ConnectAsync();
        var (client, table) = (session.Target.Client, shop.Migration.Table);
        var item = (await client.ScanAsync(new ScanRequest(table) { FilterExpression = "entity = :e", ExpressionAttributeValues = new() { [":e"] = new(BillingEntity.Agreement) } }, Cancel)).Items[0];
        var model = await ReverseFollower.BindAsync(session, Cancel);
        var suspect = await SuspectAsync(session, model, item);
        await shop.Database.ExecuteAsync($"UPDATE subscriber SET phone_number = '+1777' WHERE subscriber_id = {item["subscriber_id"].N}");
        await client.DeleteItemAsync(table, new() { ["pk"] = item["pk"], ["sk"] = item["sk"] }, Cancel);
        if (moved)
        {
            await client.PutItemAsync(table, new(item) { ["pk"] = new("PHONE#+1777") }, Cancel);
        }

        await using var lease = await session.Control.AcquireLeaseAsync("REVERSE", Cancel);
        await using var applier = new RowApplier(session, model, lease, [], keepRefused: false);
        var later = await applier.ApplyAsync([suspect], isSettled: false, Cancel);
        Assert.Equal(suspect, Assert.Single(later));
        Assert.Equal("1", await CountAsync());
        Assert.Empty(await applier.ApplyAsync(later, isSettled: true, Cancel));
        Assert.Equal(moved ? "1" : "0", await CountAsync());

        async Task<string?> CountAsync()
        {
            await using var source = await shop.Database.OpenAsync();
            return await Source.SourceConnections.ScalarAsync(source, $"SELECT COUNT(*) FROM service_agreement WHERE agreement_id = {item["agreement_id"].N}", Cancel);
        }
    }

    [Fact]
    public async Task A_unique_value_that_is_given_up_on_the_source_is_free_on_the_table()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using var store = await shop.OpenAsync();
        await shop.SwitchAsync(RouteState.DynamoDb);
        var one = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ONE"), Cancel);
        await shop.SwitchAsync(RouteState.MySql);
        one = (await store.GetAsync(BillingEntity.Account, "account_id", one["account_id"]!, Cancel))!;
        await SetAsync(store, one, "account_number", "ANOTHER");
        await shop.SwitchAsync(RouteState.DynamoDb);
        await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ONE"), Cancel);
        var taken = await Assert.ThrowsAsync<StoreException>(() => store.InsertAsync(BillingEntity.Account, SampleRows.Account("ONE"), Cancel));
        Assert.Equal(StoreError.DuplicateKey, taken.Error);
        await shop.SwitchAsync(RouteState.MySql);
        await shop.RequireEqualAsync();
    }

    [Fact]
    public async Task A_row_that_the_source_does_not_take_is_set_aside_and_is_a_gate_of_the_way_back()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using var store = await shop.OpenAsync();
        await shop.SwitchAsync(RouteState.DynamoDb);
        await shop.Database.ExecuteAsync("SET SESSION sql_log_bin = 0; ALTER TABLE billing_account ADD CONSTRAINT rich CHECK (credit_limit IS NULL OR credit_limit < 1000000)");
        var account = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("RICH").Add("credit_limit", 2_000_000m), Cancel);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => WriteBackAsync(shop));
        Assert.Equal("RowRefused", refused.ErrorId);
        Assert.DoesNotContain("2000000", refused.ToString(), StringComparison.Ordinal);

        var kept = Assert.Single((await WriteBackAsync(shop, setAside: true)).Refused);
        Assert.Equal((BillingEntity.Account, $"account_id={account["account_id"]}"), (kept.Entity, kept.Key));
        var gate = await Assert.ThrowsAsync<MigrationException>(() => shop.SwitchAsync(RouteState.MySql));
        Assert.Equal("SwitchGateClosed", gate.ErrorId);
        Assert.Contains("WayBack", gate.Message, StringComparison.Ordinal);

        await SetAsync(store, account, "credit_limit", 5m);
        Assert.Empty((await WriteBackAsync(shop)).Refused);
        Assert.Equal(RouteState.MySql, (await shop.SwitchAsync(RouteState.MySql)).Route.State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_way_back_that_was_away_for_too_long_compares_everything_and_goes_on(bool hasPlace)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using var store = await shop.OpenAsync();
        await shop.SwitchAsync(RouteState.DynamoDb);
        await store.InsertAsync(BillingEntity.Account, SampleRows.Account("NEW"), Cancel);
        await using var session = await shop.Migration.ConnectAsync();
        await using (var lease = await session.Control.AcquireLeaseAsync("REVERSE", Cancel))
        {
            var checkpoint = (await session.Control.FindReverseAsync(Cancel))!;

            // A shard that was not read yet is read from the oldest record that is kept, and no answer says that there were older ones.
            var old = hasPlace
                ? checkpoint with { Shards = ImmutableSortedDictionary<string, string>.Empty.Add("shardId-00000000000000000000-trimmed", "1") }
                : checkpoint with { Shards = checkpoint.Shards.ToImmutableSortedDictionary(s => s.Key, _ => ""), UpTo = DateTimeOffset.UtcNow.AddHours(-24) };
            await session.Control.SaveReverseAsync(lease, old, [], [], Cancel);
        }

        Assert.Equal("StreamTrimmed", (await Assert.ThrowsAsync<MigrationException>(() => WriteBackAsync(shop))).ErrorId);
        var result = await new ReverseFollower(session, new ReverseOptions { Restart = true }).RunAsync(new Progress<ReverseProgress>(), Cancel);
        Assert.True(result.Rows > 0);
        await shop.RequireEqualAsync();
        Assert.Equal(0, (await WriteBackAsync(shop)).Rows);
    }

    /// <summary>As the stream's record of an item makes it.</summary>
    private static async Task<Suspect> SuspectAsync(MigrationSession session, BillingModel model, Dictionary<string, AttributeValue> item)
    {
        using var target = new TargetSide(session, model.Entities, null);
        Suspect? found = null;
        await target.GetAsync(
            [Encoding.UTF8.GetBytes($"{{\"pk\":{{\"S\":\"{item["pk"].S}\"}},\"sk\":{{\"S\":\"{item["sk"].S}\"}}}}")],
            (entity, batch) => found = new Suspect(entity, Suspect.KeyOf(batch.Key(0).Span), RowIdentity.Of(model.Entities[entity], batch.Item(0).Span), DifferenceKind.Different),
            Cancel);
        return found!;
    }

    private static async Task<ReverseResult> WriteBackAsync(SwitchShop shop, bool setAside = false)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new ReverseFollower(session, new ReverseOptions { SetAside = setAside }).RunAsync(new Progress<ReverseProgress>(), Cancel);
    }

    private static async Task<BillingRecord> SetAsync(RoutedBillingStore store, BillingRecord record, string column, object value) =>
        (await store.WriteAsync(new UnitOfWork().Update(record, ImmutableDictionary<string, object?>.Empty.Add(column, value)), Cancel))[0]!;

    private static MigrationDefinition AgreementsBySubscriber(MigrationDefinition sample) => sample with
    {
        Entities =
        [
            .. sample.Entities.Select(e => e.Entity != BillingEntity.Agreement ? e : e with
            {
                PartitionKey = KeyTemplate.Parse("PHONE#{owner.phone_number}"),
                Lookups = ImmutableSortedDictionary<string, LookupDefinition>.Empty.Add("owner", new LookupDefinition("subscriber", ImmutableSortedDictionary<string, string>.Empty.Add("subscriber_id", "subscriber_id").Add("account_id", "account_id"))),
            }),
        ],
    };

    private static ImmutableDictionary<string, object?> Subscriber(object account, string number) =>
        SampleRows.Values(("account_id", account), ("phone_number", number), ("activated_at", new DateTime(2026, 1, 1)));

    private static ImmutableDictionary<string, object?> Agreement(object account, object subscriber) =>
        SampleRows.Values(("account_id", account), ("subscriber_id", subscriber), ("product_code", "FLAT"), ("monthly_fee", 9.99m), ("start_date", new DateOnly(2026, 1, 1)));
}
