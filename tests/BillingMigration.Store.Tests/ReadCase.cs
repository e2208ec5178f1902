namespace BillingMigration.Store.Tests;

/// <summary>A query, and the same said in SQL by hand: the primary keys of its rows, in their order.</summary>
/// <param name="Sql">Parameters stand in it as text; one column.</param>
public sealed record ReadCase(string Name, RecordQuery Query, string Sql)
{
    private static readonly DateTime From = new(2025, 11, 1);
    private static readonly DateTime Below = new(2025, 12, 15);

    /// <summary>What billing applications ask, each for several accounts.</summary>
    public static IReadOnlyDictionary<string, ReadCase> All { get; } = Cases().ToDictionary(c => c.Name);

    public override string ToString() => Name;

    private static IEnumerable<ReadCase> Cases()
    {
        foreach (var id in new long[] { 1, 2, 17, 63, 1_000_000 })
        {
            var account = id;
            yield return new($"account {id}", Of(BillingEntity.Account).Where("account_id", account), $"SELECT account_id FROM billing_account WHERE account_id = {id}");
            yield return new($"subscribers of account {id}", Of(BillingEntity.Subscriber).Where("account_id", account), $"SELECT subscriber_id FROM subscriber WHERE account_id = {id} ORDER BY 1");
            yield return new($"agreements of account {id}", Of(BillingEntity.Agreement).Where("account_id", account), $"SELECT agreement_id FROM service_agreement WHERE account_id = {id} ORDER BY subscriber_id, agreement_id");
            yield return new($"bills of account {id}", Of(BillingEntity.Bill).Where("account_id", account), $"SELECT bill_id FROM bill WHERE account_id = {id} ORDER BY bill_date, bill_id");
            yield return new($"bills of account {id}, newest first", Of(BillingEntity.Bill).Where("account_id", account) with { Descending = true }, $"SELECT bill_id FROM bill WHERE account_id = {id} ORDER BY bill_date DESC, bill_id DESC");
            yield return new($"bills of account {id} in a period", Of(BillingEntity.Bill).Where("account_id", account).WhereWithin("bill_date", DateOnly.FromDateTime(From), DateOnly.FromDateTime(Below)),
                $"SELECT bill_id FROM bill WHERE account_id = {id} AND bill_date >= '2025-11-01' AND bill_date < '2025-12-15' ORDER BY bill_date, bill_id");
            yield return new($"open bills of account {id}", Of(BillingEntity.Bill).Where("account_id", account).WhereAnyOf("status", "ISSUED", "OVERDUE"),
                $"SELECT bill_id FROM bill WHERE account_id = {id} AND status IN ('ISSUED', 'OVERDUE') ORDER BY bill_date, bill_id");
            yield return new($"bills of account {id} by due date", Of(BillingEntity.Bill).Where("account_id", account) with { OrderBy = "due_date" }, $"SELECT bill_id FROM bill WHERE account_id = {id} ORDER BY due_date, bill_id");
            yield return new($"charges of account {id}", Of(BillingEntity.Charge).Where("account_id", account), $"SELECT charge_id FROM charge WHERE account_id = {id} ORDER BY charged_at, charge_id");
            yield return new($"charges of account {id} in a period", Of(BillingEntity.Charge).Where("account_id", account).WhereWithin("charged_at", From, Below),
                $"SELECT charge_id FROM charge WHERE account_id = {id} AND charged_at >= '2025-11-01' AND charged_at < '2025-12-15' ORDER BY charged_at, charge_id");
            yield return new($"charges of account {id} in a period, newest first", Of(BillingEntity.Charge).Where("account_id", account).WhereWithin("charged_at", From, Below) with { Descending = true },
                $"SELECT charge_id FROM charge WHERE account_id = {id} AND charged_at >= '2025-11-01' AND charged_at < '2025-12-15' ORDER BY charged_at DESC, charge_id DESC");
            yield return new($"unbilled charges of account {id}", Of(BillingEntity.Charge).Where("account_id", account).Where("bill_id", null), $"SELECT charge_id FROM charge WHERE account_id = {id} AND bill_id IS NULL ORDER BY charged_at, charge_id");
            yield return new($"large charges of account {id} by amount", Of(BillingEntity.Charge).Where("account_id", account).WhereWithin("amount", 20m, null) with { OrderBy = "amount", Descending = true },
                $"SELECT charge_id FROM charge WHERE account_id = {id} AND amount >= 20 ORDER BY amount DESC, charge_id DESC");
            yield return new($"accounts of customer {id}", Of(BillingEntity.Account).Where("customer_id", id), $"SELECT account_id FROM billing_account WHERE customer_id = {id} ORDER BY account_id");
            yield return new($"subscriber {id}", Of(BillingEntity.Subscriber).Where("subscriber_id", id), $"SELECT subscriber_id FROM subscriber WHERE subscriber_id = {id}");
            yield return new($"agreements of subscriber {id}", Of(BillingEntity.Agreement).Where("subscriber_id", id), $"SELECT agreement_id FROM service_agreement WHERE subscriber_id = {id} ORDER BY agreement_id");
            yield return new($"charges of subscriber {id} in a period", Of(BillingEntity.Charge).Where("subscriber_id", id).WhereWithin("charged_at", From, Below),
                $"SELECT charge_id FROM charge WHERE subscriber_id = {id} AND charged_at >= '2025-11-01' AND charged_at < '2025-12-15' ORDER BY charged_at, charge_id");
            yield return new($"charges of bill {id}", Of(BillingEntity.Charge).Where("bill_id", id), $"SELECT charge_id FROM charge WHERE bill_id = {id} ORDER BY charged_at, charge_id");
            yield return new($"bill {id}", Of(BillingEntity.Bill).Where("bill_id", id), $"SELECT bill_id FROM bill WHERE bill_id = {id}");
            yield return new($"charge {id}", Of(BillingEntity.Charge).Where("charge_id", id), $"SELECT charge_id FROM charge WHERE charge_id = {id}");
            yield return new($"agreement {id}", Of(BillingEntity.Agreement).Where("agreement_id", id), $"SELECT agreement_id FROM service_agreement WHERE agreement_id = {id}");
            yield return new($"customer {id}", Of(BillingEntity.Customer).Where("customer_id", id), $"SELECT customer_id FROM customer WHERE customer_id = {id}");
        }

        foreach (var (entity, column, table, key) in new[]
        {
            (BillingEntity.Customer, "customer_number", "customer", "customer_id"), (BillingEntity.Account, "account_number", "billing_account", "account_id"),
            (BillingEntity.Subscriber, "phone_number", "subscriber", "subscriber_id"), (BillingEntity.Bill, "bill_number", "bill", "bill_id"),
        })
        {
            yield return new($"{entity} by {column} that nobody has", Of(entity).Where(column, "none"), $"SELECT {key} FROM {table} WHERE {column} = 'none'");
        }

        foreach (var day in new[] { "2025-06-30", "2025-12-31", "2026-06-30", "2030-01-01" })
        {
            yield return new($"open bills due before {day}", Of(BillingEntity.Bill).WhereAnyOf("status", "ISSUED", "OVERDUE").WhereWithin("due_date", null, day) with { OrderBy = "due_date" },
                $"SELECT bill_id FROM bill WHERE status IN ('ISSUED', 'OVERDUE') AND due_date < '{day}' ORDER BY due_date, bill_id");
            yield return new($"overdue bills due before {day}", Of(BillingEntity.Bill).Where("status", "OVERDUE").WhereWithin("due_date", null, day) with { OrderBy = "due_date", Descending = true },
                $"SELECT bill_id FROM bill WHERE status = 'OVERDUE' AND due_date < '{day}' ORDER BY due_date DESC, bill_id DESC");
        }

        foreach (var (from, below) in new[] { ("2025-11-01", "2026-02-01"), ("2026-01-10", "2026-01-20"), ("2026-01-01", "2028-01-01") })
        {
            yield return new($"agreements that end from {from} before {below}", Of(BillingEntity.Agreement).WhereWithin("end_date", from, below) with { OrderBy = "end_date" },
                $"SELECT agreement_id FROM service_agreement WHERE end_date >= '{from}' AND end_date < '{below}' ORDER BY end_date, agreement_id");
            yield return new($"charges from {from} before {below}", Of(BillingEntity.Charge).WhereWithin("charged_at", from, below),
                $"SELECT charge_id FROM charge WHERE charged_at >= '{from}' AND charged_at < '{below}' ORDER BY charged_at, charge_id");
            yield return new($"paid bills from {from} before {below}", Of(BillingEntity.Bill).WhereWithin("bill_date", from, below).Where("status", "PAID"),
                $"SELECT bill_id FROM bill WHERE bill_date >= '{from}' AND bill_date < '{below}' AND status = 'PAID' ORDER BY bill_date, bill_id");
        }
    }

    private static RecordQuery Of(string entity) => new(entity);
}
