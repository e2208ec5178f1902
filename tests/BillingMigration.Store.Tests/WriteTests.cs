using static BillingMigration.Testing.SampleRows;

namespace BillingMigration.Store.Tests;

/// <summary>What an application writes is stored, or refused, the same on every backend.</summary>
public sealed class WriteTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_row_is_inserted_with_defaults_and_a_new_key_changed_and_deleted(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var charge = await store.InsertAsync(BillingEntity.Charge, Charge(1, 12.345678m), Cancel);

        Assert.Equal(12.3457m, charge["amount"]);
        Assert.Equal(1m, charge["quantity"]);
        Assert.Null(charge["bill_id"]);
        Assert.IsType<DateTime>(charge["created_at"]);
        var id = charge.Get<long>("charge_id");
        Assert.Equal(charge, await store.GetAsync(BillingEntity.Charge, "charge_id", id, Cancel));
        await stores.CatchUpAsync();
        Assert.Contains(charge, await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1).Where("bill_id", null), Cancel));
        var second = await store.InsertAsync(BillingEntity.Charge, Charge(1, 1), Cancel);
        Assert.True(second.Get<long>("charge_id") > id);

        // In the item's own key, and in an index.
        var moved = await store.UpdateAsync(charge, Values(("charged_at", At.AddDays(1)), ("description", "später")), Cancel);
        Assert.Equal(At.AddDays(1), moved["charged_at"]);
        Assert.Equal(moved, await store.GetAsync(BillingEntity.Charge, "charge_id", id, Cancel));
        await stores.CatchUpAsync();
        Assert.Single(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("charge_id", id), Cancel));
        await store.DeleteAsync(moved, Cancel);
        Assert.Null(await store.GetAsync(BillingEntity.Charge, "charge_id", id, Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_key_given_as_zero_is_generated(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var first = await store.InsertAsync(BillingEntity.Charge, Charge(1, 1).SetItem("charge_id", 0), Cancel);
        var second = await store.InsertAsync(BillingEntity.Charge, Charge(1, 2).SetItem("charge_id", "0"), Cancel);
        Assert.InRange(first.Get<long>("charge_id"), 1, long.MaxValue);
        Assert.True(second.Get<long>("charge_id") > first.Get<long>("charge_id"));
        Assert.Equal(first, await store.GetAsync(BillingEntity.Charge, "charge_id", first["charge_id"]!, Cancel));
        Assert.Null(await store.GetAsync(BillingEntity.Charge, "charge_id", 0, Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_unit_is_answered_with_its_rows_as_all_its_changes_leave_them(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var account = (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;
        var key = Key("account_id", 1L);
        var rows = await store.WriteAsync(new UnitOfWork().Update(account, Values(("credit_limit", 5m))).Add(BillingEntity.Account, key, "balance", 7m), Cancel);
        Assert.Equal(account.Get<decimal>("balance") + 7, rows[0]!["balance"]);
        Assert.Equal(rows[0], await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel));
        Assert.Null(rows[1]);

        // What goes with a row, or loses its reference to it.
        var customer = await store.InsertAsync(BillingEntity.Customer, Values(("customer_number", "NEW"), ("address", "{}")), Cancel);
        account = await store.InsertAsync(BillingEntity.Account, Account("NEW").SetItem("customer_id", customer["customer_id"]), Cancel);
        var subscriber = await store.InsertAsync(BillingEntity.Subscriber, Values(("account_id", account["account_id"]), ("phone_number", "+777"), ("activated_at", At)), Cancel);
        var charge = await store.InsertAsync(BillingEntity.Charge, Charge(account.Get<long>("account_id"), 1).SetItem("subscriber_id", subscriber["subscriber_id"]), Cancel);
        rows = await store.WriteAsync(new UnitOfWork().Update(charge, Values(("description", "x"))).Delete(subscriber), Cancel);
        Assert.Null(rows[0]!["subscriber_id"]);
        Assert.Equal(rows[0], await store.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!, Cancel));
        Assert.Null(rows[1]);
        rows = await store.WriteAsync(new UnitOfWork().Update(rows[0]!, Values(("description", "y"))).Insert(BillingEntity.Charge, Charge(account.Get<long>("account_id"), 2)).Delete(account), Cancel);
        Assert.Equal([null, null, null], rows);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_bill_below_zero_is_paid_when_all_of_it_was_given_back(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var bill = await store.InsertAsync(BillingEntity.Bill, Bill(1, "CREDIT").SetItem("subtotal", -10m).SetItem("tax_amount", 0m).SetItem("total", -10m), Cancel);
        foreach (var (amount, paid, status) in new[] { (0m, 0m, "ISSUED"), (-4m, -4m, "ISSUED"), (-6m, -10m, "PAID") })
        {
            bill = await store.PayAsync(bill["bill_id"]!, amount, At, null, Cancel);
            Assert.Equal((paid, status), (bill["amount_paid"], bill["status"]));
        }

        // That nothing is paid says nothing of when it was paid.
        Assert.Equal(At, (await store.PayAsync(bill["bill_id"]!, 0, At.AddDays(9), null, Cancel))["paid_at"]);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task What_was_changed_since_it_was_read_is_a_conflict(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var read = (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;
        var now = await store.UpdateAsync(read, Values(("balance", 5m)), Cancel);
        Assert.NotEqual(read["updated_at"], now["updated_at"]);

        await RefusedAsync(StoreError.Conflict, store.UpdateAsync(read, Values(("balance", 6m)), Cancel));
        await RefusedAsync(StoreError.Conflict, store.DeleteAsync(read, Cancel));
        Assert.Equal(now, await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel));

        var charge = await store.InsertAsync(BillingEntity.Charge, Charge(1, 1), Cancel);
        await store.DeleteAsync(charge, Cancel);
        await RefusedAsync(StoreError.Conflict, store.UpdateAsync(charge, Values(("amount", 6m)), Cancel));
        await RefusedAsync(StoreError.Conflict, store.DeleteAsync(charge, Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Within_a_unit_a_unique_value_is_handed_over_and_taken_once(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var (first, second) = (await store.InsertAsync(BillingEntity.Account, Account("HAND-1"), Cancel), (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!);
        var number = (string)second["account_number"]!;

        // In the order of the unit: what the first leaves the second may take, whether it was the source's or new; not the other way round.
        await RefusedAsync(StoreError.DuplicateKey, store.WriteAsync(new UnitOfWork().Update(second, Values(("account_number", "HAND-1"))).Update(first, Values(("account_number", "HAND-2"))), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Account, Account("HAND-3")).Insert(BillingEntity.Account, Account("hand-3")), Cancel));
        Assert.Null(await store.FindAsync(BillingEntity.Account, "account_number", "HAND-3", Cancel));
        var written = await store.WriteAsync(new UnitOfWork().Update(first, Values(("account_number", "HAND-2"))).Update(second, Values(("account_number", "HAND-1"))), Cancel);
        written = await store.WriteAsync(new UnitOfWork().Delete(written[0]!).Insert(BillingEntity.Account, Account("HAND-2")).Insert(BillingEntity.Account, Account(number)), Cancel);
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Account, Account("HAND-1"), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Account, Account("HAND-2"), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Account, Account(number), Cancel));
        Assert.Equal(written[1], await store.FindAsync(BillingEntity.Account, "account_number", "HAND-2", Cancel));
        await RefusedAsync(StoreError.NotSupported, store.WriteAsync(new UnitOfWork().Update(written[1]!, Values(("balance", 1m))).Update(written[1]!, Values(("balance", 2m))), Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Unique_keys_hold_for_rows_of_the_source_and_for_new_ones(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var first = (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;
        Assert.Equal("account_number", await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Account, Account((string)first["account_number"]!), Cancel)));
        var made = await store.InsertAsync(BillingEntity.Account, Account("NEW-1"), Cancel);
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Account, Account("NEW-1"), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Account, Account("new-1"), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.UpdateAsync(first, Values(("account_number", "NEW-1")), Cancel));
        Assert.Equal("PRIMARY", await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(BillingEntity.Charge, Charge(2, 1).SetItem("charge_id", 1L), Cancel)));

        // A value that is given up is free.
        made = await store.UpdateAsync(made, Values(("account_number", "NEW-2")), Cancel);
        await store.InsertAsync(BillingEntity.Account, Account("NEW-1"), Cancel);
        await store.DeleteAsync(made, Cancel);
        await store.InsertAsync(BillingEntity.Account, Account("NEW-2"), Cancel);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Foreign_keys_hold(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        Assert.Equal("charge_account", await RefusedAsync(StoreError.ParentMissing, store.InsertAsync(BillingEntity.Charge, Charge(999_999, 1), Cancel)));
        Assert.Equal("charge_bill", await RefusedAsync(StoreError.ParentMissing, store.InsertAsync(BillingEntity.Charge, Charge(1, 1).SetItem("bill_id", 999_999L), Cancel)));
        var customer = (await store.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel))!;
        Assert.Equal("billing_account_customer", await RefusedAsync(StoreError.HasChildren, store.DeleteAsync(customer, Cancel)));

        // An account with a bill, a subscriber with an agreement, and charges of them.
        var account = await store.InsertAsync(BillingEntity.Account, Account("TREE"), Cancel);
        var id = account["account_id"]!;
        var subscriber = await store.InsertAsync(BillingEntity.Subscriber, Values(("account_id", id), ("phone_number", "+49-TREE"), ("activated_at", At)), Cancel);
        var agreement = await store.InsertAsync(
            BillingEntity.Agreement, Values(("subscriber_id", subscriber["subscriber_id"]), ("account_id", id), ("product_code", "FLAT"), ("monthly_fee", 9.9m), ("start_date", new DateOnly(2026, 1, 1))), Cancel);
        var bill = await store.InsertAsync(BillingEntity.Bill, Bill(id, "B-TREE"), Cancel);
        var charge = await store.InsertAsync(BillingEntity.Charge, Charge(id, 10).SetItem("bill_id", bill["bill_id"]).SetItem("subscriber_id", subscriber["subscriber_id"]), Cancel);
        await RefusedAsync(StoreError.NotSupported, store.UpdateAsync(bill, Values(("bill_id", 777L)), Cancel));

        await store.DeleteAsync(bill, Cancel);
        charge = (await store.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!, Cancel))!;
        Assert.Null(charge["bill_id"]);
        await store.DeleteAsync(subscriber, Cancel);
        Assert.Null(await store.GetAsync(BillingEntity.Agreement, "agreement_id", agreement["agreement_id"]!, Cancel));
        charge = (await store.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!, Cancel))!;
        Assert.Null(charge["subscriber_id"]);
        await store.DeleteAsync(account, Cancel);
        Assert.Null(await store.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!, Cancel));
        await store.InsertAsync(BillingEntity.Account, Account("TREE"), Cancel);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task What_one_store_has_read_another_writes(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        await using var reading = await shop.OpenAsync(backend == Backend.MySql ? Backend.DynamoDb : Backend.MySql);
        var account = (await reading.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;
        var charges = await reading.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1), Cancel);
        Assert.NotEmpty(charges);
        account = await store.UpdateAsync(account, Values(("balance", 5m)), Cancel);
        await using var third = await shop.OpenAsync(backend);
        await third.DeleteAsync(account, Cancel);
        Assert.Empty(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1), Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_unit_is_written_as_a_whole_or_not_at_all(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        var charge = await store.InsertAsync(BillingEntity.Charge, Charge(1, 10), Cancel);
        var work = new UnitOfWork().Insert(BillingEntity.Bill, Bill(1L, "B-UNIT")).Update(charge, Values(("bill_id", new ValueOf(0, "bill_id"))));
        var written = await store.WriteAsync(work, Cancel);
        Assert.Equal(written[0]!["bill_id"], written[1]!["bill_id"]);
        await stores.CatchUpAsync();
        Assert.Equal([written[1]!], await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", written[0]!["bill_id"]), Cancel));

        // The second change fails: the first is not there.
        await RefusedAsync(StoreError.Conflict, store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Bill, Bill(1L, "B-NONE")).Update(charge, Values(("amount", 3m))), Cancel));
        Assert.Null(await store.FindAsync(BillingEntity.Bill, "bill_number", "B-NONE", Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task What_does_not_fit_is_refused(Backend backend)
    {
        await using var shop = await ShopAsync(backend);
        await using var store = await shop.OpenAsync(backend);
        Task<string> Refused(StoreError error, string column, object? value) => RefusedAsync(error, store.InsertAsync(BillingEntity.Charge, Charge(1, 1).SetItem(column, value), Cancel));
        await Refused(StoreError.ValueInvalid, "amount", 12_345_678_901m);
        await Refused(StoreError.ValueInvalid, "amount", "12,5");
        await Refused(StoreError.ValueInvalid, "charge_type", "GIFT");
        await Refused(StoreError.ValueInvalid, "charge_type", null);
        await Refused(StoreError.ValueInvalid, "description", new string('x', 201));
        await Refused(StoreError.ValueInvalid, "charged_at", "yesterday");
        await Refused(StoreError.ValueInvalid, "charge_id", -1);
        await Refused(StoreError.ColumnUnknown, "colour", 1);
        Assert.Equal("description", await RefusedAsync(StoreError.ValueMissing, store.InsertAsync(BillingEntity.Charge, Charge(1, 1).Remove("description"), Cancel)));
        var secret = await Assert.ThrowsAsync<StoreException>(() => store.InsertAsync(BillingEntity.Account, Account("X").SetItem("iban", new string('7', 40)), Cancel));
        Assert.DoesNotContain("7777", secret.Message, StringComparison.Ordinal);
    }

    internal static async Task<string> RefusedAsync(StoreError error, Task write)
    {
        var refusal = await Assert.ThrowsAsync<StoreException>(() => write);
        Assert.Equal((error, refusal.Message), (refusal.Error, refusal.Message));
        return refusal.Subject;
    }

    private Task<WritableShop> ShopAsync(Backend backend) => WritableShop.CreateAsync(stores, backend == Backend.MariaDb);
}
