// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>Rows by a unique key that is given whole are those of the table, whatever indexes show.</summary>
public sealed class RowByKeyTests
{
    private static readonly SimulationOptions IndexesBehind = SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(5), IndexDelayLeast = TimeSpan.FromSeconds(4) };

    [Fact]
    public void A_bill_is_found_by_its_keys_as_it_was_paid_while_indexes_are_behind()
    {
        using var stores = new SimulatedStores(IndexesBehind);
        stores.MigrateAccount(1);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var paid = await store.PayAsync(1L, 158m, SampleRows.At);
            Assert.Equal(paid, await other.FindAsync(BillingEntity.Bill, "bill_id", 1L));
            Assert.Equal(paid, await other.FindAsync(BillingEntity.Bill, "bill_number", "B1"));
            Assert.Equal(paid, Assert.Single(await other.ListAsync(new RecordQuery(BillingEntity.Bill).Where("bill_number", "B1").Where("status", "PAID"))));
            Assert.Empty(await other.ListAsync(new RecordQuery(BillingEntity.Bill).Where("bill_id", 1L).Where("amount_paid", 0m)));
            var total = Assert.Single(await other.TotalAsync(new TotalQuery(BillingEntity.Bill, "amount_paid") { GroupBy = ["status"] }.Where("bill_number", "B1")));
            Assert.Equal((1L, "158.00", "PAID"), (total.Count, total.Sums[0], total.Group[0]));
            Assert.Equal(0L, Assert.Single(await other.TotalAsync(new TotalQuery(BillingEntity.Bill, "amount_paid").Where("bill_number", "B1").Where("status", "ISSUED"))).Count);
        });
    }

    [Fact]
    public void A_unique_value_that_went_to_another_row_finds_that_row_alone_while_indexes_are_behind()
    {
        using var stores = new SimulatedStores(IndexesBehind);
        stores.MigrateAccount(1);
        stores.MigrateAccount(2);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            await store.UpdateAsync((await store.GetAsync(BillingEntity.Subscriber, "subscriber_id", 1L))!, SampleRows.Values(("phone_number", "+9")));
            Assert.Null(await other.FindAsync(BillingEntity.Subscriber, "phone_number", "+1"));
            var taken = await store.UpdateAsync((await store.GetAsync(BillingEntity.Subscriber, "subscriber_id", 2L))!, SampleRows.Values(("phone_number", "+1")));
            Assert.Equal(taken, await other.FindAsync(BillingEntity.Subscriber, "phone_number", "+1"));
            Assert.Equal(taken, Assert.Single((await other.PageAsync(new RecordQuery(BillingEntity.Subscriber).Where("phone_number", "+1"), 5)).Records));
        });
    }

    [Fact]
    public void Keys_of_a_part_of_a_column_or_of_an_expression_are_named_and_not_taken_for_whole_ones()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, t => t.Name != "subscriber" ? t : t with
        {
            PartialKeys = ["of_lower", t.UniqueKeys.Single(k => k.Columns is ["phone_number"]).Name],
        });
        var table = stores.Shop.Model[BillingEntity.Subscriber].Table;
        var gaps = StoreFit.Check(stores.Shop.Model);
        Assert.Equal(2, gaps.Length);
        Assert.All(gaps, g => Assert.Equal((BillingEntity.Subscriber, true, false), (g.Entity, g.IsLoose, g.IsRefused)));
        Assert.All(gaps, g => Assert.Equal([StoreOperation.Insert, StoreOperation.Update], g.Operations));
        Assert.Contains("of_lower makes an expression unique", gaps[0].Problem, StringComparison.Ordinal);
        Assert.Contains("the beginning of a column (phone_number)", gaps[1].Problem, StringComparison.Ordinal);

        // What is kept of before has none, and what is kept now is read again.
        var json = JsonSerializer.Serialize(table);
        Assert.Equal(table.PartialKeys, JsonSerializer.Deserialize<TableSchema>(json)!.PartialKeys.AsEnumerable());
        json = json.Replace("\"PartialKeys\"", "\"Other\"", StringComparison.Ordinal);
        Assert.Empty(JsonSerializer.Deserialize<TableSchema>(json)!.PartialKeys);

        stores.MigrateAccount(1);
        var store = stores.Open();
        var values = SampleRows.Values(("account_id", 1L), ("phone_number", "+49"), ("activated_at", SimulatedStores.At));
        stores.Run(() => store.InsertAsync(BillingEntity.Subscriber, values));
        var claims = stores.DynamoDb.Items(stores.Shop.Definition.Target.ControlTableName).Select(i => i.Key.Partition.Text)
            .Where(k => k.Contains("#UNIQUE#", StringComparison.Ordinal));
        Assert.Contains("#SUBSCRIBER#PRIMARY#", Assert.Single(claims), StringComparison.Ordinal);
    }

    [Fact]
    public void A_unique_key_over_a_column_that_is_left_out_is_named()
    {
        using var stores = new SimulatedStores(
            SimulatedStores.Network, t => t.Name != "customer" ? t : t with { UniqueKeys = t.UniqueKeys.Add(new UniqueKeySchema("of_tax_id", ["customer_type", "tax_id"])) },
            d => d.Replace("\"tax_id\": { \"sensitive\": true }", "\"tax_id\": { \"exclude\": true }", StringComparison.Ordinal));
        var gap = Assert.Single(StoreFit.Check(stores.Shop.Model));
        Assert.Equal((BillingEntity.Customer, true, false), (gap.Entity, gap.IsLoose, gap.IsRefused));
        Assert.Equal([StoreOperation.Insert, StoreOperation.Update], gap.Operations);
        Assert.Contains("key of_tax_id holds tax_id, which the definition leaves out", gap.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_row_by_a_unique_key_takes_two_requests_and_one_by_its_primary_key_no_more()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        Assert.Equal(2, Requests(() => store.FindAsync(BillingEntity.Bill, "bill_number", "B1")));
        Assert.Equal(2, Requests(() => store.FindAsync(BillingEntity.Bill, "bill_id", 1L)));
        Assert.Equal(2, Requests(() => store.GetAsync(BillingEntity.Bill, "bill_id", 1L)));
        Assert.Equal(1, Requests(() => store.FindAsync(BillingEntity.Account, "account_id", 1L)));

        int Requests(Func<Task<BillingRecord?>> read)
        {
            var sent = 0;
            stores.DynamoDb.Script = request =>
            {
                // What looks for large units asks from time to time.
                sent += request.Json.Contains("#INTENT", StringComparison.Ordinal) ? 0 : 1;
                return null;
            };
            Assert.NotNull(stores.Run(read));
            stores.DynamoDb.Script = null;
            return sent;
        }
    }
}
