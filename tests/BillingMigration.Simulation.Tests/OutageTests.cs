// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>How long calls take, and what they say, when nothing is written any more.</summary>
public sealed class OutageTests
{
    /// <summary>A minute in which it is tried, the last try, and a look at what became of it.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(90);

    /// <summary>Calls, how many transactions pass before, and whether the others hang or are lost.</summary>
    public static MatrixTheoryData<string, int, bool> Outages { get; } = new(["post", "post once", "delete", "large bill", "large delete"], [0, 2], [false, true]);

    [Theory]
    [MemberData(nameof(Outages))]
    public void A_call_ends_in_little_more_than_a_minute(string call, int from, bool hangs)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(17);
        for (var n = 0; n < (call.StartsWith("large", StringComparison.Ordinal) ? 150 : 3); n++)
        {
            stores.Migrate(BillingEntity.Charge, 100 + n, [.. SampleRows.Charge(17L, 1m).SetItem("tax_amount", 0m).Select(v => (v.Key, v.Value))]);
        }

        var store = stores.Open();
        var sent = 0;
        stores.DynamoDb.Script = r => r.Operation != "TransactWriteItems" || sent++ < from ? null : hangs ? Fault.Hang : Fault.LoseRequest;
        var (took, error) = stores.Run(async () =>
        {
            var began = stores.Time.GetTimestamp();
            var made = await Record.ExceptionAsync(async () => await (call switch
            {
                "post" => store.PostChargeAsync(SampleRows.Charge(17L, 1m)),
                "post once" => store.PostChargeAsync(SampleRows.Charge(17L, 1m), "K"),
                "large bill" => store.RunBillAsync(17L, SampleRows.Bill(17L, "NEW").RemoveRange(["subtotal", "tax_amount", "total"])),
                _ => store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", 17L))!),
            }));
            return (stores.Time.GetElapsedTime(began), made);
        });
        TestContext.Current.TestOutputHelper?.WriteLine($"{took}: {(error as MigrationException)?.ErrorId} {error?.Message}");
        Assert.True(error is null == sent <= from, $"{error}");
        Assert.InRange(took, TimeSpan.Zero, Bound);
    }
}
