using System.Collections.Immutable;
using BillingMigration.Store;

namespace BillingMigration.Benchmarks.Store;

/// <param name="RunAsync">The number tells calls apart, and with them the rows that they touch.</param>
internal sealed record StoreCall(string Name, Func<IBillingStore, int, CancellationToken, Task> RunAsync);

/// <summary>What an application does most.</summary>
internal static class StoreCalls
{
    /// <summary>Accounts of the sample that are used.</summary>
    private const int Accounts = 200;

    private static readonly DateTime At = new(2026, 3, 1, 12, 0, 0);

    public static ImmutableArray<StoreCall> All { get; } =
    [
        new("get_account", (store, n, token) => store.GetAsync(BillingEntity.Account, "account_id", Account(n), token)),
        new("find_bill", (store, n, token) => store.GetAsync(BillingEntity.Bill, "bill_id", Account(n), token)),
        new("page_charges", (store, n, token) => store.PageAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", Account(n)), 50, null, token)),
        new("unbilled", (store, n, token) => store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", Account(n)).Where("bill_id", null), token)),
        new("overdue", (store, _, token) => store.PageAsync(
            new RecordQuery(BillingEntity.Bill).WhereAnyOf("status", "ISSUED", "OVERDUE").WhereWithin("due_date", null, "2026-01-01") with { OrderBy = "due_date" }, 50, null, token)),
        new("post_charge", (store, n, token) => store.PostChargeAsync(Charge(n), null, token)),
    ];

    private static long Account(int n) => 1 + (n % Accounts);

    private static ImmutableDictionary<string, object?> Charge(int n) => ImmutableDictionary<string, object?>.Empty.AddRange(new Dictionary<string, object?>
    {
        ["account_id"] = Account(n), ["charge_type"] = "USAGE", ["description"] = "a call", ["amount"] = 0.25m, ["tax_amount"] = 0.05m, ["charged_at"] = At,
    });
}
