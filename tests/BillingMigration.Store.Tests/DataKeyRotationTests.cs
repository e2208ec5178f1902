using Amazon.DynamoDBv2.Model;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Reverse;
using BillingMigration.Rotation;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>The data key is exchanged while applications, comparisons and the way back are at work on the table.</summary>
public sealed class DataKeyRotationTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_rotation_under_work_loses_nothing_is_gone_on_with_and_leaves_no_value_under_the_former_key()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false, encrypted: true);
        var before = await shop.ItemsAsync();
        await using var store = await shop.OpenDynamoDbAsync();
        var kept = (await store.GetAsync(BillingEntity.Customer, "customer_id", 2L, Cancel))!;

        // Killed between two items.
        using var kill = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var writes = 0;
        var killed = new RotationOptions
        {
            Settled = TimeSpan.Zero, Readers = 1, WritersPerPage = 1,
            OnWrite = () =>
            {
                if (++writes == 4)
                {
                    kill.Cancel();
                    kill.Token.ThrowIfCancellationRequested();
                }
            },
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RotateAsync(shop, killed, kill.Token));
        var (former, current) = (await NumbersAsync(shop, 1), await NumbersAsync(shop, 2));
        Assert.True(former > 0 && current > 0, $"{former} values under the former key, {current} under the current one");

        // Half of it is under either key: all is read, compared and written.
        await RequireEqualAsync(shop);
        Assert.Equal(before, await shop.ItemsAsync());
        var customer = (await store.GetAsync(BillingEntity.Customer, "customer_id", 1L, Cancel))!;
        var changed = await store.UpdateAsync(customer, SampleRows.Values(("email", "under@rotation.example")), Cancel);
        Assert.Equal("under@rotation.example", changed["email"]);
        await store.UpdateAsync(changed, SampleRows.Values(("email", customer["email"])), Cancel);

        // Gone on with, not begun anew; a row that was read before it is still as it was read.
        var result = await RotateAsync(shop, new RotationOptions { Settled = TimeSpan.Zero }, Cancel);
        Assert.Equal((RotationOutcome.Complete, 2, 0L), (result.Outcome, result.Number, result.Unreadable));
        Assert.Equal(0, await NumbersAsync(shop, 1));
        var written = await store.UpdateAsync(kept, SampleRows.Values(("email", "kept@rotation.example")), Cancel);
        await store.UpdateAsync(written, SampleRows.Values(("email", kept["email"])), Cancel);

        // What the store has written twice differs by the time of it alone.
        var differences = (await CompareAsync(shop)).Differences;
        string Shown(ItemDifference d) => $"{d.Key} {string.Join(',', d.Attributes.Select(a => a.Name))}";
        Assert.Equal(["customer_id=1 updated_at", "customer_id=2 updated_at"], differences.Select(Shown).Order());
    }

    /// <summary>The store has never met the new key when its condition, made of the former key's bytes, fails.</summary>
    [Fact]
    public async Task A_row_that_was_only_rewritten_is_still_as_it_was_read()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false, encrypted: true);
        await using var store = await shop.OpenDynamoDbAsync();
        var record = (await store.GetAsync(BillingEntity.Customer, "customer_id", 1L, Cancel))!;
        var other = (await store.GetAsync(BillingEntity.Customer, "customer_id", 2L, Cancel))!;
        await RotateAsync(shop, new RotationOptions { Settled = TimeSpan.Zero }, Cancel);
        Assert.Equal("still@it.example", (await store.UpdateAsync(record, SampleRows.Values(("email", "still@it.example")), Cancel))["email"]);

        // One that has really changed is a conflict, as ever.
        await store.UpdateAsync(other, SampleRows.Values(("email", "first@it.example")), Cancel);
        var conflict = await Assert.ThrowsAsync<StoreException>(() => store.UpdateAsync(other, SampleRows.Values(("email", "second@it.example")), Cancel));
        Assert.Equal(StoreError.Conflict, conflict.Error);
    }

    [Fact]
    public async Task A_former_key_is_given_up_on_request_and_not_while_an_item_may_be_under_it()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false, encrypted: true);
        Assert.Equal("DataKeyInUse", (await Assert.ThrowsAsync<MigrationException>(() => GiveUpAsync(shop))).ErrorId);
        var old = (await ItemsAsync(shop)).First(i => i.TryGetValue("email", out var email) && email.B is not null);
        Assert.Equal([1], (await RotateAsync(shop, new RotationOptions { Settled = TimeSpan.Zero }, Cancel)).Others);

        // Somebody brings an item back from a backup.
        await shop.Migration.Client.PutItemAsync(shop.Migration.Table, old, Cancel);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => GiveUpAsync(shop));
        Assert.Equal("DataKeyInUse", refused.ErrorId);
        Assert.Contains("Update-BillingDataKey", refused.Message, StringComparison.Ordinal);
        Assert.Equal(2, (await RotateAsync(shop, new RotationOptions { Settled = TimeSpan.Zero }, Cancel)).Number);
        var given = await GiveUpAsync(shop);
        Assert.Equal((RotationOutcome.GivenUp, 2), (given.Outcome, given.Number));
        Assert.Equal([1], given.Others);
        await RequireEqualAsync(shop);
        await using var store = await shop.OpenDynamoDbAsync();
        Assert.NotNull(await store.GetAsync(BillingEntity.Customer, "customer_id", 1L, Cancel));
        await shop.Migration.Client.PutItemAsync(shop.Migration.Table, old, Cancel);
        var id = long.Parse(old["customer_id"].N, null);
        var unreadable = await Assert.ThrowsAsync<MigrationException>(() => store.GetAsync(BillingEntity.Customer, "customer_id", id, Cancel));
        Assert.Equal("ItemUnreadable", unreadable.ErrorId);
    }

    /// <summary>A process with the former key writes until its ring is too old: the rotation is complete only after that.</summary>
    [Fact]
    public async Task The_last_pass_begins_when_every_process_knows_the_new_key()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false, encrypted: true);
        await using var session = await shop.Migration.ConnectAsync();
        var began = DateTimeOffset.UtcNow;
        var options = new RotationOptions { Settled = TimeSpan.FromSeconds(20), MaxDuration = TimeSpan.FromSeconds(1) };
        var stopped = await new DataKeyRotator(session, options).RunAsync(new Progress<RotationProgress>(), Cancel);
        Assert.Equal(RotationOutcome.Stopped, stopped.Outcome);
        Assert.False((await session.Control.FindRotationAsync(Cancel))!.IsComplete);
        var done = await new DataKeyRotator(session, options with { MaxDuration = null }).RunAsync(new Progress<RotationProgress>(), Cancel);
        Assert.Equal((RotationOutcome.Complete, 2), (done.Outcome, done.Number));
        var last = (await session.Control.FindRotationAsync(Cancel))!;
        Assert.True(last.IsComplete && last.PassStartedAt >= began + options.Settled, $"begun {began:O}, the last pass {last.PassStartedAt:O}");
    }

    [Fact]
    public async Task The_way_back_goes_on_during_a_rotation()
    {
        var kms = await stores.Servers.KmsAsync();
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false, encrypt: kms);
        await using var store = await shop.OpenAsync();
        await shop.SwitchAsync(Control.RouteState.DynamoDb);
        var one = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ONE"), Cancel);
        await using (var session = await shop.Migration.ConnectAsync())
        {
            await new DataKeyRotator(session, new RotationOptions { Settled = TimeSpan.Zero }).RunAsync(new Progress<RotationProgress>(), Cancel);
        }

        await store.UpdateAsync(one, SampleRows.Values(("iban", "DE11")), Cancel);
        await store.InsertAsync(BillingEntity.Account, SampleRows.Account("TWO"), Cancel);
        await using var back = await shop.Migration.ConnectAsync();
        var result = await new ReverseFollower(back, new ReverseOptions()).RunAsync(new Progress<ReverseProgress>(), Cancel);
        Assert.Empty(result.Refused);
        Assert.True(result.IsCaughtUp);

        // Rewritten items make no row to be written.
        Assert.Equal(2, result.Rows);
        await shop.RequireEqualAsync();
        await shop.SwitchAsync(Control.RouteState.MySql);
        await shop.RequireEqualAsync();
    }

    private static async Task<RotationResult> RotateAsync(WritableShop shop, RotationOptions options, CancellationToken cancellationToken)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new DataKeyRotator(session, options).RunAsync(new Progress<RotationProgress>(), cancellationToken);
    }

    private static async Task<RotationResult> GiveUpAsync(WritableShop shop)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new DataKeyRotator(session, new RotationOptions()).GiveUpFormerKeysAsync(new Progress<RotationProgress>(), Cancel);
    }

    private static async Task RequireEqualAsync(WritableShop shop)
    {
        var result = await CompareAsync(shop);
        Assert.True(result.Passed, $"{result.Outcome}: {string.Join("; ", result.Differences.Take(5).Select(d => $"{d.Kind} {d.Entity} {d.Key}"))}");
    }

    private static async Task<IntegrityResult> CompareAsync(WritableShop shop)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), Cancel);
    }

    private static async Task<List<Dictionary<string, AttributeValue>>> ItemsAsync(WritableShop shop)
    {
        var items = new List<Dictionary<string, AttributeValue>>();
        await foreach (var page in shop.Migration.Client.Paginators.Scan(new ScanRequest { TableName = shop.Migration.Table, ConsistentRead = true }).Responses)
        {
            items.AddRange(page.Items);
        }

        return items;
    }

    /// <summary>Encrypted values under a key.</summary>
    private static async Task<int> NumbersAsync(WritableShop shop, byte number)
    {
        var encrypted = shop.Migration.Definition.Entities.ToDictionary(
            e => e.Entity, e => e.Columns.Where(c => c.Value.Encrypt).Select(c => c.Value.Attribute ?? c.Key).ToHashSet());
        return (await ItemsAsync(shop)).Sum(i => i.Count(a => encrypted[i[EntityModel.EntityAttribute].S].Contains(a.Key) && a.Value.B.ToArray()[0] == number));
    }
}
