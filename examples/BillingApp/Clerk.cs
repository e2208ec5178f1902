using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Store;

namespace BillingApp;

/// <summary>An input that makes no sense.</summary>
internal sealed class ClerkException(string message) : Exception(message);

/// <summary>What a clerk does, in terms of the store. Nothing here knows which backend it is.</summary>
internal sealed class Clerk(IBillingStore store, TextWriter output, TimeProvider time)
{
    private const int Days = 14;

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    private DateOnly Today => DateOnly.FromDateTime(Now);

    public static bool IsCommand(string[] command) => command is ["account", _] or ["charge", _, _, _] or ["bill", _] or ["pay", _, _] or ["overdue"] or ["revenue", _, _] or ["busy", _];

    public Task RunAsync(string[] command, CancellationToken cancellationToken) => command switch
    {
        ["account", var number] => AccountAsync(number, cancellationToken),
        ["charge", var number, var amount, var text] => ChargeAsync(number, Amount(amount), text, cancellationToken),
        ["bill", var number] => BillAsync(number, cancellationToken),
        ["pay", var number, var amount] => PayAsync(number, Amount(amount), cancellationToken),
        ["overdue"] => OverdueAsync(cancellationToken),
        ["revenue", var from, var to] => RevenueAsync(from, to, cancellationToken),
        _ => throw new ClerkException($"There is no command '{string.Join(' ', command)}'."),
    };

    private async Task AccountAsync(string number, CancellationToken cancellationToken)
    {
        var account = await FindAsync(BillingEntity.Account, "account_number", number, cancellationToken);
        var id = account["account_id"]!;
        var customer = await store.GetAsync(BillingEntity.Customer, "customer_id", account["customer_id"]!, cancellationToken);
        Say($"account {number}, {account["status"]}, balance {account["balance"]} {account["currency"]}, customer {customer?["customer_number"]}");
        await foreach (var subscriber in store.QueryAsync(new RecordQuery(BillingEntity.Subscriber).Where("account_id", id), cancellationToken))
        {
            Say($"  subscriber {subscriber["phone_number"]}, {subscriber["status"]}");
        }

        var unbilled = (await store.TotalAsync(new TotalQuery(BillingEntity.Charge, "amount", "tax_amount").Where("account_id", id).Where("bill_id", null), cancellationToken))[0];
        Say($"  {unbilled.Count} charges are not billed: {unbilled.Sum(0):0.00} and {unbilled.Sum(1):0.00} tax");
        await foreach (var bill in store.QueryAsync(new RecordQuery(BillingEntity.Bill).Where("account_id", id).WhereAnyOf("status", "ISSUED", "OVERDUE"), cancellationToken))
        {
            Say($"  bill {bill["bill_number"]}, due {bill["due_date"]}: {Open(bill)} open");
        }
    }

    private async Task ChargeAsync(string number, decimal amount, string text, CancellationToken cancellationToken)
    {
        var account = await FindAsync(BillingEntity.Account, "account_number", number, cancellationToken);
        var charge = await store.PostChargeAsync(
            Values(("account_id", account["account_id"]), ("charge_type", "ONE_TIME"), ("description", text), ("amount", amount), ("tax_amount", amount * 0.19m), ("charged_at", Now)), null, cancellationToken);
        Say($"charge {charge["charge_id"]} of {charge["amount"]} is posted");
    }

    private async Task BillAsync(string number, CancellationToken cancellationToken)
    {
        var account = await FindAsync(BillingEntity.Account, "account_number", number, cancellationToken);
        var values = Values(
            ("bill_number", $"{number}-{Now:yyMMddHHmm}"), ("status", "ISSUED"), ("period_start", new DateOnly(Today.Year, Today.Month, 1)), ("period_end", Today), ("bill_date", Today), ("due_date", Today.AddDays(Days)));
        var bill = await store.RunBillAsync(account["account_id"]!, values, null, cancellationToken);
        Say(bill is null ? "there is nothing to bill" : $"bill {bill["bill_number"]} of {bill["total"]} is issued");
    }

    private async Task PayAsync(string number, decimal amount, CancellationToken cancellationToken)
    {
        var bill = await FindAsync(BillingEntity.Bill, "bill_number", number, cancellationToken);
        var taken = Math.Min(amount, Open(bill));
        bill = await store.PayAsync(bill["bill_id"]!, taken, Now, null, cancellationToken);
        Say($"bill {number}: {bill["amount_paid"]} of {bill["total"]} is paid, {bill["status"]}{(taken < amount ? $"; {amount - taken} is handed back" : "")}");
    }

    private async Task OverdueAsync(CancellationToken cancellationToken)
    {
        var query = new RecordQuery(BillingEntity.Bill).WhereAnyOf("status", "ISSUED", "OVERDUE").WhereWithin("due_date", null, Today) with { OrderBy = "due_date" };
        await foreach (var bill in store.QueryAsync(query, cancellationToken))
        {
            Say($"{bill["due_date"]}  {bill["bill_number"],-24}{Open(bill),12}");
        }
    }

    private async Task RevenueAsync(string from, string to, CancellationToken cancellationToken)
    {
        foreach (var month in await store.TotalAsync(new TotalQuery(BillingEntity.Bill, "total", "tax_amount").WhereWithin("bill_date", from, to) with { ByMonthOf = "bill_date" }, cancellationToken))
        {
            Say($"{month.Group[^1]}  {month.Count,8} bills {month.Sum(0),14:0.00}, tax {month.Sum(1),12:0.00}");
        }
    }

    private async Task<BillingRecord> FindAsync(string entity, string column, string number, CancellationToken cancellationToken) =>
        await store.FindAsync(entity, column, number, cancellationToken) ?? throw new ClerkException($"There is no {entity} with the {column} {number}.");

    private static decimal Open(BillingRecord bill) => bill.Get<decimal>("total") - bill.Get<decimal>("amount_paid");

    private static decimal Amount(string text) => decimal.TryParse(text, NumberStyles.Number, CultureInfo.InvariantCulture, out var amount) && amount > 0
        ? amount
        : throw new ClerkException($"'{text}' is no amount: write it like 12.50.");

    private void Say(string text) => output.WriteLine(text);

    private static ImmutableDictionary<string, object?> Values(params (string Column, object? Value)[] values) => values.ToImmutableDictionary(v => v.Column, v => v.Value);
}
