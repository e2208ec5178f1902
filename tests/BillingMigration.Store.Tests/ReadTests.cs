namespace BillingMigration.Store.Tests;

/// <summary>What an application reads is the same on every backend, and what SQL written by hand says.</summary>
public sealed class ReadTests(SampleStores stores)
{
    private static readonly string[] Keys = ["customer_id", "account_id", "subscriber_id", "agreement_id", "bill_id", "charge_id"];

    public static TheoryData<string, Backend> Cases { get; } = new(
        from name in ReadCase.All.Keys
        from backend in Enum.GetValues<Backend>()
        select (name, backend));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_query_gives_the_rows_that_SQL_gives(string name, Backend backend)
    {
        var test = ReadCase.All[name];
        await using var store = await stores.OpenAsync(backend);
        var expected = await stores.SelectAsync(test.Sql);

        var found = await store.ListAsync(test.Query, Cancel);
        Assert.Equal(expected, found.Select(Key));

        // The same page by page, with as many rows in a page as make several of them.
        var paged = new List<string>();
        string? continuation = null;
        do
        {
            var page = await store.PageAsync(test.Query, Math.Max(1, expected.Count / 3), continuation, Cancel);
            paged.AddRange(page.Records.Select(Key));
            continuation = page.Continuation;
        }
        while (continuation is not null);
        Assert.Equal(expected, paged);
    }

    [Fact]
    public async Task The_cases_find_rows()
    {
        await using var store = await stores.OpenAsync(Backend.MySql);
        var empty = new List<string>();
        foreach (var (name, test) in ReadCase.All.Where(c => !c.Key.Contains("1000000", StringComparison.Ordinal) && !c.Key.Contains("nobody", StringComparison.Ordinal)))
        {
            empty.AddRange((await store.ListAsync(test.Query, Cancel)).Count == 0 ? [name] : []);
        }

        Assert.True(empty.Count < ReadCase.All.Count / 10, string.Join("; ", empty));
    }

    [Fact]
    public async Task Every_row_is_the_same_record_on_all_backends()
    {
        await using var mySql = await stores.OpenAsync(Backend.MySql);
        await using var dynamoDb = await stores.OpenAsync(Backend.DynamoDb);
        for (long account = 1; account < 40; account++)
        {
            foreach (var entity in new[] { BillingEntity.Account, BillingEntity.Subscriber, BillingEntity.Agreement, BillingEntity.Bill, BillingEntity.Charge })
            {
                var query = new RecordQuery(entity).Where("account_id", account);
                var expected = await mySql.ListAsync(query, Cancel);
                Assert.Equal(expected, await dynamoDb.ListAsync(query, Cancel));
                foreach (var record in expected.Take(2))
                {
                    var key = Keys[Array.IndexOf(["CUSTOMER", "BILLING_ACCOUNT", "SUBSCRIBER", "SERVICE_AGREEMENT", "BILL", "CHARGE"], entity)];
                    Assert.Equal(record, await dynamoDb.GetAsync(entity, key, record[key]!, Cancel));
                    Assert.Equal(record, await mySql.GetAsync(entity, key, record[key]!, Cancel));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Numbers_that_people_know_find_their_row(Backend backend)
    {
        await using var store = await stores.OpenAsync(backend);
        foreach (var (entity, column, id) in new[]
        {
            (BillingEntity.Customer, "customer_number", "customer_id"), (BillingEntity.Account, "account_number", "account_id"), (BillingEntity.Subscriber, "phone_number", "subscriber_id"),
            (BillingEntity.Bill, "bill_number", "bill_id"),
        })
        {
            for (long n = 3; n < 8; n++)
            {
                var record = Assert.IsType<BillingRecord>(await store.GetAsync(entity, id, n, Cancel));
                Assert.Equal(record, await store.FindAsync(entity, column, record[column]!, Cancel));
            }
        }
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_continuation_of_one_backend_goes_on_on_another(Backend second)
    {
        await using var first = await stores.OpenAsync(Backend.DynamoDb);
        await using var other = await stores.OpenAsync(second);
        var query = new RecordQuery(BillingEntity.Charge).Where("account_id", 2L) with { Descending = true };
        var whole = await first.ListAsync(query, Cancel);
        Assert.True(whole.Count > 10);
        var page = await first.PageAsync(query, 4, null, Cancel);
        var rest = await other.PageAsync(query, 10_000, page.Continuation, Cancel);
        Assert.Equal(whole.Select(Key), page.Records.Concat(rest.Records).Select(Key));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task What_cannot_be_asked_is_refused_alike(Backend backend)
    {
        await using var store = await stores.OpenAsync(backend);
        async Task Refused(StoreError error, RecordQuery query, string? continuation = null) =>
            Assert.Equal(error, (await Assert.ThrowsAsync<StoreException>(() => store.PageAsync(query, 10, continuation, Cancel))).Error);

        await Refused(StoreError.EntityUnknown, new RecordQuery("INVOICE"));
        await Refused(StoreError.ColumnUnknown, new RecordQuery(BillingEntity.Bill).Where("bill_nr", 1));
        await Refused(StoreError.ValueInvalid, new RecordQuery(BillingEntity.Bill).Where("bill_id", "x"));
        await Refused(StoreError.ValueInvalid, new RecordQuery(BillingEntity.Bill).Where("bill_id", -1));
        await Refused(StoreError.ValueInvalid, new RecordQuery(BillingEntity.Bill).Where("status", "LOST"));
        await Refused(StoreError.OrderNotSupported, new RecordQuery(BillingEntity.Bill).Where("account_id", 1) with { OrderBy = "status" });
        await Refused(StoreError.OrderNotSupported, new RecordQuery(BillingEntity.Bill).Where("account_id", 1).WhereWithin("bill_number", "A", "B"));
        await Refused(StoreError.NoAccessPath, new RecordQuery(BillingEntity.Charge).Where("description", "x"));
        await Refused(StoreError.NoAccessPath, new RecordQuery(BillingEntity.Charge));
        await Refused(StoreError.ContinuationInvalid, new RecordQuery(BillingEntity.Bill).Where("account_id", 1), "abc");
        var other = await store.PageAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 2), 2, null, Cancel);
        await Refused(StoreError.ContinuationInvalid, new RecordQuery(BillingEntity.Charge).Where("account_id", 3), other.Continuation);
        Assert.Equal(StoreError.ValueMissing, (await Assert.ThrowsAsync<StoreException>(() => store.GetAsync(BillingEntity.Bill, "account_id", 1, Cancel))).Error);
    }

    internal static string Key(BillingRecord record) => record.Text(record.Model.Table.PrimaryKey[0])!;
}
