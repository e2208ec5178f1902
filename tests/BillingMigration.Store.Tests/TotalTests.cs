using System.Globalization;

namespace BillingMigration.Store.Tests;

/// <summary>Sums are exact and the same on every backend, and what SUM says.</summary>
public sealed class TotalTests(SampleStores stores)
{
    private static readonly IReadOnlyDictionary<string, (TotalQuery Query, string Sql)> All = Cases().ToDictionary(c => c.Name, c => (c.Query, c.Sql));

    public static TheoryData<string, Backend> Totals { get; } = new(
        from name in All.Keys
        from backend in Enum.GetValues<Backend>()
        select (name, backend));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Totals))]
    public async Task A_report_adds_up_to_what_SQL_adds_up(string name, Backend backend)
    {
        var (query, sql) = All[name];
        await using var store = await stores.OpenAsync(backend);
        var rows = await store.TotalAsync(query, Cancel);
        Assert.Equal(await stores.SelectAsync(sql), rows.Select(r => string.Join('|', [.. r.Group.Select(g => g ?? "NULL"), r.Count.ToString(CultureInfo.InvariantCulture), .. r.Sums.Select(s => s ?? "NULL")])));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task What_has_no_exact_sum_is_refused(Backend backend)
    {
        await using var store = await stores.OpenAsync(backend);
        async Task Refused(StoreError error, TotalQuery query) => Assert.Equal(error, (await Assert.ThrowsAsync<StoreException>(() => store.TotalAsync(query, Cancel))).Error);
        await Refused(StoreError.SumNotExact, new TotalQuery(BillingEntity.Charge, "description").Where("account_id", 1));
        await Refused(StoreError.NoAccessPath, new TotalQuery(BillingEntity.Charge, "amount"));
        await Refused(StoreError.ValueInvalid, new TotalQuery(BillingEntity.Charge, "amount") { ByMonthOf = "amount" }.Where("account_id", 1));
        await Refused(StoreError.ColumnUnknown, new TotalQuery(BillingEntity.Charge, "amounts").Where("account_id", 1));
    }

    private static IEnumerable<(string Name, TotalQuery Query, string Sql)> Cases()
    {
        TotalQuery Charges() => new(BillingEntity.Charge, "amount", "tax_amount", "quantity");
        TotalQuery Bills() => new(BillingEntity.Bill, "subtotal", "tax_amount", "total", "amount_paid");
        const string ChargeSums = "COUNT(*), SUM(amount), SUM(tax_amount), SUM(quantity) FROM charge";
        const string BillSums = "COUNT(*), SUM(subtotal), SUM(tax_amount), SUM(total), SUM(amount_paid) FROM bill";
        foreach (var id in new[] { 1L, 2, 30, 1_000_000 })
        {
            yield return ($"charges of account {id}", Charges().Where("account_id", id), $"SELECT {ChargeSums} WHERE account_id = {id}");
            yield return ($"charges of account {id} by type", Charges().Where("account_id", id) with { GroupBy = ["charge_type"] }, $"SELECT charge_type, {ChargeSums} WHERE account_id = {id} GROUP BY 1 ORDER BY CAST(charge_type AS CHAR)");
            yield return ($"charges of account {id} by subscriber and month", Charges().Where("account_id", id) with { GroupBy = ["subscriber_id"], ByMonthOf = "charged_at" },
                $"SELECT subscriber_id, DATE_FORMAT(charged_at, '%Y-%m'), {ChargeSums} WHERE account_id = {id} GROUP BY 1, 2 ORDER BY CAST(subscriber_id AS CHAR), 2");
            yield return ($"unbilled charges of account {id}", Charges().Where("account_id", id).Where("bill_id", null), $"SELECT {ChargeSums} WHERE account_id = {id} AND bill_id IS NULL");
            yield return ($"charges of subscriber {id}", Charges().Where("subscriber_id", id), $"SELECT {ChargeSums} WHERE subscriber_id = {id}");
            yield return ($"bills of account {id} by status", Bills().Where("account_id", id) with { GroupBy = ["status"] }, $"SELECT status, {BillSums} WHERE account_id = {id} GROUP BY 1 ORDER BY CAST(status AS CHAR)");
        }

        foreach (var (from, below) in new[] { ("2025-01-01", "2026-01-01"), ("2025-11-15", "2026-02-10"), ("1990-01-01", "1991-01-01") })
        {
            yield return ($"revenue by month from {from} before {below}", Charges().WhereWithin("charged_at", from, below) with { ByMonthOf = "charged_at" },
                $"SELECT DATE_FORMAT(charged_at, '%Y-%m'), {ChargeSums} WHERE charged_at >= '{from}' AND charged_at < '{below}' GROUP BY 1 ORDER BY 1");
            yield return ($"charges by type and month from {from} before {below}", Charges().WhereWithin("charged_at", from, below) with { GroupBy = ["charge_type"], ByMonthOf = "charged_at" },
                $"SELECT charge_type, DATE_FORMAT(charged_at, '%Y-%m'), {ChargeSums} WHERE charged_at >= '{from}' AND charged_at < '{below}' GROUP BY 1, 2 ORDER BY CAST(charge_type AS CHAR), 2");
            yield return ($"bills by status from {from} before {below}", Bills().WhereWithin("bill_date", from, below) with { GroupBy = ["status"] },
                $"SELECT status, {BillSums} WHERE bill_date >= '{from}' AND bill_date < '{below}' GROUP BY 1 ORDER BY CAST(status AS CHAR)");
            yield return ($"unpaid bills due from {from} before {below} by month", Bills().WhereAnyOf("status", "ISSUED", "OVERDUE").WhereWithin("due_date", from, below) with { ByMonthOf = "due_date" },
                $"SELECT DATE_FORMAT(due_date, '%Y-%m'), {BillSums} WHERE status IN ('ISSUED', 'OVERDUE') AND due_date >= '{from}' AND due_date < '{below}' GROUP BY 1 ORDER BY 1");
        }
    }
}
