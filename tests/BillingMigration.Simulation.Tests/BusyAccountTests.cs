// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Simulation.Tests;

/// <summary>Calls that rest on several rows of an account, while others write to it all the time.</summary>
public sealed class BusyAccountTests
{
    /// <summary>As long as a call takes that meets nobody, some hundred times.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData("move")]
    [InlineData("bill")]
    [InlineData("delete bill")]
    [InlineData("delete account")]
    public void Who_rests_on_several_rows_gets_through(string call)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(17);
        stores.MigrateAccount(18);
        stores.Migrate(BillingEntity.Charge, 100, [.. SampleRows.Charge(17L, 1m).Select(v => (v.Key, v.Value))]);
        var store = stores.Open();
        var others = Enumerable.Range(0, 6).Select(n => stores.Open($"other-{n}")).ToArray();
        stores.Run(async () =>
        {
            var isOver = false;
            var writers = others.SelectMany(o => new[] { WriteAsync(o), WriteAsync(o), WriteAsync(o) }).ToArray();
            await stores.PassAsync(TimeSpan.FromSeconds(1));
            var began = stores.Time.GetTimestamp();
            await (call switch
            {
                "move" => MoveAsync(),
                "bill" => store.RunBillAsync(17L, SampleRows.Bill(17L, "NEW")),
                "delete bill" => DeleteAsync(BillingEntity.Bill, "bill_id"),
                _ => DeleteAsync(BillingEntity.Account, "account_id"),
            });
            var took = stores.Time.GetElapsedTime(began);
            isOver = true;
            await Task.WhenAll(writers);
            TestContext.Current.TestOutputHelper?.WriteLine($"{call}: {took.TotalMilliseconds:0} ms");
            Assert.InRange(took, TimeSpan.Zero, Soon);

            async Task WriteAsync(DynamoDbBillingStore other)
            {
                while (!isOver)
                {
                    try
                    {
                        await other.PostChargeAsync(SampleRows.Charge(17L, 1m));
                    }
                    catch (StoreException e) when (e.Error == StoreError.ParentMissing && call == "delete account")
                    {
                        return;
                    }
                }
            }
        });

        async Task MoveAsync() => await store.UpdateAsync((await store.GetAsync(BillingEntity.Charge, "charge_id", 100L))!, SampleRows.Values(("charged_at", SimulatedStores.At.AddDays(1))));

        async Task DeleteAsync(string entity, string key)
        {
            while (true)
            {
                try
                {
                    await store.DeleteAsync((await store.GetAsync(entity, key, 17L))!);
                    return;
                }
                catch (StoreException e) when (e is { Error: StoreError.Conflict, HasWaited: false })
                {
                    // Its balance has changed.
                }
            }
        }
    }
}
