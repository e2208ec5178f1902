using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>The table of access patterns in docs/single-table-design.md says what they cost, of a small account and of a large one.</summary>
public sealed partial class AccessPatternTests(SampleStores stores)
{
    private const long Small = 1;
    private const long Large = 900_001;
    private const double Megabyte = 1024;

    /// <summary>3,000 charges of one account, its one subscriber and its one bill, of 1 KB each.</summary>
    private const string LargeAccount = """
        INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at) VALUES (900001, 1, 'LARGEST', 'EUR', 1, '2026-01-01');
        INSERT INTO subscriber (subscriber_id, account_id, phone_number, activated_at) VALUES (900001, 900001, '+49-LARGEST', '2026-01-01');
        INSERT INTO service_agreement (agreement_id, subscriber_id, account_id, product_code, monthly_fee, start_date, end_date) VALUES (900001, 900001, 900001, 'FLAT', 9.9, '2026-01-01', '2027-01-15');
        INSERT INTO bill (bill_id, account_id, bill_number, status, period_start, period_end, bill_date, due_date, subtotal, tax_amount, total)
          VALUES (900001, 900001, 'LARGEST', 'ISSUED', '2026-01-01', '2026-01-31', '2026-02-01', '2026-02-15', 1, 0, 1);
        SET SESSION cte_max_recursion_depth = 10000;
        INSERT INTO charge (charge_id, account_id, subscriber_id, bill_id, charge_type, description, amount, tax_amount, charged_at)
          WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 2999)
          SELECT 900000 + n, 900001, 900001, IF(n % 2, 900001, NULL), 'USAGE', REPEAT('x', 200), n, 0, '2026-01-15' + INTERVAL n SECOND FROM r
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_and_read_units_are_those_of_the_documentation()
    {
        var patterns = await DocumentedAsync();
        await using var shop = await WritableShop.CreateAsync(stores, false, LargeAccount);
        await using var other = await shop.OpenDynamoDbAsync();
        var wrong = new List<string>();
        foreach (var account in new[] { Small, Large })
        {
            foreach (var (number, call) in Calls(account, other))
            {
                await using var store = await shop.OpenDynamoDbAsync();
                var rows = await call(store);
                var (requests, perMegabyte, units) = patterns[number];
                var n = rows.Sum(KilobytesOf);
                var most = requests + (perMegabyte ? (int)(n / (Megabyte * 0.9)) : 0);
                if (store.Metrics.Requests < requests || store.Metrics.Requests > most)
                {
                    wrong.Add($"{number} of {account}: {store.Metrics.Requests} requests instead of {requests} to {most}, {rows.Count} rows, {n:N0} KB");
                }

                // Each page is rounded up to 4 KB, and a size is known to a few bytes for each row.
                var (least, highest) = (units(n) * 0.9, (units(n) * 1.1) + store.Metrics.Requests);
                if (store.Metrics.ConsumedUnits < least || store.Metrics.ConsumedUnits > highest)
                {
                    wrong.Add($"{number} of {account}: {store.Metrics.ConsumedUnits} units instead of {least:N1} to {highest:N1}, {rows.Count} rows, {n:N0} KB");
                }
            }
        }

        Assert.Empty(wrong);
        Assert.Equal(patterns.Keys.Order(), Calls(Small, other).Select(c => c.Number).Order());
    }

    private static IEnumerable<(int Number, Func<DynamoDbBillingStore, Task<IReadOnlyList<BillingRecord>>> Call)> Calls(long id, IBillingStore other)
    {
        var large = id == Large;
        static RecordQuery Of(string entity) => new(entity);
        var charges = Of(BillingEntity.Charge).Where("account_id", id);
        Func<DynamoDbBillingStore, Task<IReadOnlyList<BillingRecord>>> List(RecordQuery query) => store => store.ListAsync(query, Cancel);
        Func<DynamoDbBillingStore, Task<IReadOnlyList<BillingRecord>>> One(string entity, string column, object value) => async store => [(await store.GetAsync(entity, column, value, Cancel))!];

        // Numbers of the sample's rows are known from the row itself.
        Func<DynamoDbBillingStore, Task<IReadOnlyList<BillingRecord>>> ByNumber(string entity, string key, string column) => async store =>
        {
            var value = (await other.GetAsync(entity, key, large && entity != BillingEntity.Customer ? id : 1, Cancel))![column]!;
            return [(await store.FindAsync(entity, column, value, Cancel))!];
        };
        yield return (1, One(BillingEntity.Account, "account_id", id));
        yield return (2, async store =>
        {
            var account = (await store.GetAsync(BillingEntity.Account, "account_id", id, Cancel))!;
            var all = new List<BillingRecord> { account, (await store.GetAsync(BillingEntity.Customer, "customer_id", account["customer_id"]!, Cancel))! };
            foreach (var entity in new[] { BillingEntity.Subscriber, BillingEntity.Agreement, BillingEntity.Bill, BillingEntity.Charge })
            {
                all.AddRange(await store.ListAsync(Of(entity).Where("account_id", id), Cancel));
            }

            return all;
        });
        yield return (3, async store => (await store.PageAsync(charges, 100, null, Cancel)).Records);
        yield return (4, ByNumber(BillingEntity.Account, "account_id", "account_number"));
        yield return (5, List(Of(BillingEntity.Subscriber).Where("account_id", id)));
        yield return (6, List(Of(BillingEntity.Agreement).Where("subscriber_id", id)));
        yield return (7, ByNumber(BillingEntity.Subscriber, "subscriber_id", "phone_number"));
        yield return (8, One(BillingEntity.Subscriber, "subscriber_id", id));
        yield return (9, ByNumber(BillingEntity.Customer, "customer_id", "customer_number"));
        yield return (10, List(Of(BillingEntity.Account).Where("customer_id", 1)));
        yield return (11, List(Of(BillingEntity.Charge).Where("bill_id", id)));
        yield return (12, ByNumber(BillingEntity.Bill, "bill_id", "bill_number"));
        yield return (13, List(Of(BillingEntity.Bill).Where("account_id", id).WhereWithin("bill_date", "2020-01-01", null)));
        yield return (14, List(charges.WhereWithin("charged_at", "2026-01-01", "2026-02-01")));
        yield return (15, List(Of(BillingEntity.Charge).Where("subscriber_id", id).WhereWithin("charged_at", "2026-01-01", "2026-02-01")));
        yield return (16, List(charges.Where("bill_id", null)));
        yield return (17, One(BillingEntity.Charge, "charge_id", large ? 900_007 : 1));
        yield return (18, List(Of(BillingEntity.Bill).WhereAnyOf("status", "ISSUED", "OVERDUE").WhereWithin("due_date", null, "2026-06-01")));
        yield return (19, List(Of(BillingEntity.Agreement).WhereWithin("end_date", "2027-01-01", "2027-01-31")));
    }

    /// <summary>Requests, whether more are made for each MB, and read units by KB.</summary>
    private static async Task<Dictionary<int, (int Requests, bool PerMegabyte, Func<double, double> Units)>> DocumentedAsync()
    {
        var found = new Dictionary<int, (int, bool, Func<double, double>)>();
        foreach (Match row in Row().Matches(await File.ReadAllTextAsync(Repository.PathOf("docs", "single-table-design.md"), Cancel)))
        {
            double Term(string term, double n) => term.StartsWith("n/", StringComparison.Ordinal) ? n / double.Parse(term[2..], CultureInfo.InvariantCulture) : double.Parse(term, CultureInfo.InvariantCulture);
            var terms = row.Groups["units"].Value.Split(" + ");
            found.Add(
                int.Parse(row.Groups["number"].Value, CultureInfo.InvariantCulture),
                (int.Parse(row.Groups["requests"].Value, CultureInfo.InvariantCulture), row.Groups["more"].Length > 0, n => terms.Sum(t => Term(t, n))));
        }

        return found;
    }

    [GeneratedRegex(@"^\| (?<number>\d+) \| .+ \| (?<requests>\d+)(?<more> a MB)? \| (?<units>[n/0-9.+ ]+?) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    /// <summary>As DynamoDB counts it: names and values, two digits of a number in a byte.</summary>
    private static double KilobytesOf(BillingRecord record) => new ItemCodec().Encode(record.Model, record.Row)
        .Sum(a => Encoding.UTF8.GetByteCount(a.Key) + (a.Value.S is { } text ? Encoding.UTF8.GetByteCount(text) : a.Value.N is { } number ? 1 + ((number.Count(char.IsAsciiDigit) + 1) / 2) : (int)a.Value.B.Length)) / 1024.0;
}
