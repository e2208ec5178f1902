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
    [InlineData(false)]
    [InlineData(true)]
    public async Task Groups_of_any_type_are_the_same_on_both_backends(bool mariaDb)
    {
        string[] columns = ["bin", "varbin", "flt", "fixed", "dbl", "bits", "zeros", "latin", "kind", "moment"];
        await using var shop = await GeneratedShop.CreateAsync(
            stores, mariaDb,
            """
            CREATE TABLE reading (id INT NOT NULL PRIMARY KEY, meter INT NOT NULL, amount DECIMAL(10,2) NOT NULL, bin BINARY(3) NULL, varbin VARBINARY(10) NULL, flt FLOAT NULL, fixed FLOAT(7,2) NULL,
              dbl DOUBLE NULL, bits BIT(9) NULL, zeros INT(6) ZEROFILL NULL, latin VARCHAR(5) CHARACTER SET latin1 NULL, kind ENUM('b', 'a') NULL, moment TIMESTAMP(3) NULL);
            INSERT INTO reading VALUES
              (1, 1, 1, X'00FF41', X'', 0.1, 12345.67, 0.1, 5, 7, 'ä', 'a', '2026-01-01 00:00:00.5'),
              (2, 1, 2, X'00FF41', X'80', 16777217, 12345.67, 1e100, 300, 7, 'A', 'b', '2026-01-01 00:00:00.5'),
              (3, 1, 4, X'00FF42', X'8000', 16777216, 1, -1e-100, 300, 123456, 'a', 'a', '2026-01-02'),
              (4, 1, 8, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
            """,
            [], """{ "entity": "READING", "table": "reading", "pk": "METER#{meter}", "sk": "READING#{id:D10}" }""");
        await using var mySql = await shop.OpenAsync(dynamoDb: false);
        await using var dynamoDb = await shop.OpenAsync(dynamoDb: true);
        foreach (var column in columns)
        {
            var query = new TotalQuery("READING", "amount").Where("meter", 1) with { GroupBy = [column] };
            async Task<string[]> AskAsync(BillingStore store) => [.. (await store.TotalAsync(query, Cancel)).Select(r => $"{column} {r.Group[0] ?? "NULL"}: {r.Count} {r.Sums[0]}")];
            Assert.Equal(await AskAsync(dynamoDb), await AskAsync(mySql));
        }

        Assert.Equal(["00FF41", "00FF42"], (await mySql.TotalAsync(new TotalQuery("READING").Where("meter", 1) with { GroupBy = ["bin"] }, Cancel)).Select(r => r.Group[0]).OfType<string>());
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
