using System.Collections.Immutable;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>
/// Steps that billing applications take, some of which cannot be: reads, sums, writes of one row and of several, bill runs, payments. What a step is follows from its number and from
/// what the steps before it have made.
/// </summary>
/// <param name="units">
/// True: units of several writes too, and all keys are given. A unit that is refused takes other generated keys on each side: MySQL stops at the first row that cannot be.
/// </param>
internal sealed class RandomSteps(IReadOnlyDictionary<string, List<long>> ids, bool units)
{
    private static readonly string[] Entities = [BillingEntity.Customer, BillingEntity.Account, BillingEntity.Subscriber, BillingEntity.Agreement, BillingEntity.Bill, BillingEntity.Charge];
    internal static readonly string[] Keys = ["customer_id", "account_id", "subscriber_id", "agreement_id", "bill_id", "charge_id"];

    private readonly List<long> accounts = [];
    private Random random = new(0);
    private int number;

    public RandomStep Next(int seed)
    {
        random = new Random(seed);
        number++;
        return random.Next(20) switch
        {
            < 11 => Keyed(Write(), 0),
            < 13 when units => new RandomUnit([.. Enumerable.Range(0, random.Next(2, 5)).Select(InUnit)]),
            < 14 when !units => new RandomBillRun(Some(BillingEntity.Account), Number("R")),
            < 15 => new RandomPayment(Some(BillingEntity.Bill), Amount()),
            < 16 => Total(),
            _ => Read(),
        };
    }

    /// <summary>What goes with a row that is deleted must not be changed in the same unit.</summary>
    private RandomWrite InUnit(int place)
    {
        var write = Write();
        while (write.Values is null)
        {
            write = Write();
        }

        return Keyed(write, place);
    }

    private RandomWrite Keyed(RandomWrite write, int place) => units && write is { Key: null, Values: { } values }
        ? write with { Values = values.SetItem(Keys[Array.IndexOf(Entities, write.Entity)], 1_000_000L + (number * 10) + place) }
        : write;

    private RandomWrite Write()
    {
        var kind = random.Next(10);
        var entity = Entities[Math.Min(5, random.Next(9))];
        // A large account has more children than one transaction holds.
        var id = kind >= 8 && entity == BillingEntity.Account ? accounts.LastOrDefault(-1) : Some(entity);
        return kind < 5 ? new RandomWrite(entity, null, Insert(entity))
            : kind < 8 ? new RandomWrite(entity, (Keys[Array.IndexOf(Entities, entity)], id), Update(entity))
            : new RandomWrite(entity, (Keys[Array.IndexOf(Entities, entity)], id), null);
    }

    /// <summary>What a step has made is there for the next ones.</summary>
    public void Remember(RandomStep step, string result)
    {
        if (step is RandomWrite { Key: null } change && !result.StartsWith("refused", StringComparison.Ordinal))
        {
            var id = long.Parse(result.Split('=', ';')[1], System.Globalization.CultureInfo.InvariantCulture);
            ids[change.Entity].Add(id);
            accounts.AddRange(change.Entity == BillingEntity.Account ? [id] : []);
        }
    }

    private RandomRead Read()
    {
        var account = Some(BillingEntity.Account);
        RecordQuery query = random.Next(9) switch
        {
            0 => new RecordQuery(BillingEntity.Charge).Where("account_id", account),
            1 => new RecordQuery(BillingEntity.Charge).Where("account_id", account).Where("bill_id", null),
            2 => new RecordQuery(BillingEntity.Charge).Where("account_id", account).WhereWithin("charged_at", Point(), Point()),
            3 => new RecordQuery(BillingEntity.Charge).Where("bill_id", Some(BillingEntity.Bill)),
            4 => new RecordQuery(BillingEntity.Bill).Where("account_id", account).WhereAnyOf("status", "ISSUED", "OVERDUE"),
            5 => new RecordQuery(BillingEntity.Subscriber).Where("account_id", account),
            6 => new RecordQuery(BillingEntity.Agreement).Where("subscriber_id", Some(BillingEntity.Subscriber)),
            7 => new RecordQuery(BillingEntity.Account).Where("customer_id", Some(BillingEntity.Customer)),
            _ => new RecordQuery(BillingEntity.Bill).Where("account_id", account) with { OrderBy = "due_date" },
        };
        return new RandomRead(query with { Descending = random.Next(3) == 0 }, random.Next(2) == 0 ? null : random.Next(1, 6));
    }

    private RandomTotal Total() => new(random.Next(3) switch
    {
        0 => new TotalQuery(BillingEntity.Charge, "amount", "tax_amount") { GroupBy = ["charge_type"] }.Where("account_id", Some(BillingEntity.Account)),
        1 => new TotalQuery(BillingEntity.Charge, "amount") { ByMonthOf = "charged_at" }.Where("account_id", Some(BillingEntity.Account)),
        _ => new TotalQuery(BillingEntity.Bill, "total", "amount_paid") { GroupBy = ["status"] }.Where("account_id", Some(BillingEntity.Account)),
    });

    private ImmutableDictionary<string, object?> Insert(string entity) => entity switch
    {
        BillingEntity.Customer => SampleRows.Values(("customer_number", Number("C")), ("last_name", Text()), ("address", """{"zip": "1", "city": "Köln", "no": [1, 2.50, -0.0, 1e20]}"""), ("birth_date", new DateOnly(1980, 2, random.Next(1, 28)))),
        BillingEntity.Account => SampleRows.Account(Number("A")).SetItem("customer_id", Some(BillingEntity.Customer)).SetItem("balance", Amount()),
        BillingEntity.Subscriber => SampleRows.Values(("account_id", Some(BillingEntity.Account)), ("phone_number", Number("+")), ("activated_at", Point()), ("features", "SMS,VOICE"), ("pin_hash", new byte[] { 1, 2, 3 })),
        BillingEntity.Agreement => Agreement(),
        BillingEntity.Bill => SampleRows.Bill(Some(BillingEntity.Account), Number("B")).SetItem("status", random.Next(2) == 0 ? "PAID" : "overdue").SetItem("bill_date", new DateOnly(2026, random.Next(1, 13), 1)),
        _ => SampleRows.Charge(Some(BillingEntity.Account), Amount()).SetItem("charged_at", Point()).SetItem("bill_id", random.Next(3) == 0 ? Some(BillingEntity.Bill) : null).SetItem("subscriber_id", random.Next(3) == 0 ? Some(BillingEntity.Subscriber) : null),
    };

    /// <summary>Some of them fit their subscriber's account.</summary>
    private ImmutableDictionary<string, object?> Agreement()
    {
        var subscriber = Some(BillingEntity.Subscriber);
        return SampleRows.Values(
            ("subscriber_id", subscriber), ("account_id", Some(BillingEntity.Account)), ("product_code", Text()), ("monthly_fee", Amount()), ("start_date", new DateOnly(2026, 1, 1)),
            ("end_date", random.Next(2) == 0 ? null : new DateOnly(2027, random.Next(1, 13), 1)), ("terms", random.Next(2) == 0 ? null : """{"months":24,"a":{"bb":1,"a":2}}"""));
    }

    private ImmutableDictionary<string, object?> Update(string entity) => entity switch
    {
        BillingEntity.Customer => SampleRows.Values(("notes", random.Next(3) == 0 ? null : Text()), ("marketing_consent", random.Next(2))),
        BillingEntity.Account => random.Next(4) == 0 ? SampleRows.Values(("account_number", Number("A"))) : SampleRows.Values(("balance", Amount()), ("status", "SUSPENDED")),
        BillingEntity.Subscriber => random.Next(3) == 0 ? SampleRows.Values(("phone_number", Number("+"))) : SampleRows.Values(("display_name", Text()), ("imsi", (ulong)random.NextInt64())),
        BillingEntity.Agreement => SampleRows.Values(("end_date", random.Next(2) == 0 ? null : new DateOnly(2028, 1, random.Next(1, 28))), ("discount_percent", 12.345m)),
        BillingEntity.Bill => SampleRows.Values(("status", random.Next(2) == 0 ? "PAID" : "ISSUED"), ("amount_paid", Amount()), ("bill_date", new DateOnly(2026, 5, random.Next(1, 28)))),
        _ => SampleRows.Values(("charged_at", Point()), ("bill_id", random.Next(2) == 0 ? null : Some(BillingEntity.Bill)), ("amount", Amount())),
    };

    /// <summary>One in ten nobody has.</summary>
    private long Some(string entity) => random.Next(10) == 0 ? 900_000 + random.Next(100) : ids[entity][random.Next(ids[entity].Count)];

    private decimal Amount() => random.Next(-100_000, 1_000_000) / 10_000m;

    private DateTime Point() => new DateTime(2026, 1, 1).AddTicks(random.NextInt64(TimeSpan.TicksPerDay * 90));

    private string Text() => random.Next(3) switch { 0 => "", 1 => "名前 #%", _ => $"text {random.Next(100)}" };

    /// <summary>One in five was given before.</summary>
    private string Number(string prefix) => $"{prefix}-{(random.Next(5) == 0 ? random.Next(1, number + 1) : number)}";
}

/// <summary>One step, and its answer as a text.</summary>
internal abstract record RandomStep
{
    public abstract Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken);

    protected static string Text(BillingRecord? record) => record is null ? "none" : string.Join("; ", record.Columns.Select(c => $"{c}={record.Text(c) ?? "NULL"}"));
}

/// <param name="PageSize">Null: not in pages.</param>
internal sealed record RandomRead(RecordQuery Query, int? PageSize) : RandomStep
{
    public override async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken)
    {
        if (PageSize is not { } size)
        {
            return string.Join('\n', (await store.ListAsync(Query, cancellationToken)).Select(Text));
        }

        var pages = new List<string>();
        string? continuation = null;
        do
        {
            var page = await store.PageAsync(Query, size, continuation, cancellationToken);
            pages.Add(string.Join('\n', page.Records.Select(Text)));
            continuation = page.Continuation;
        }
        while (continuation is not null);
        return string.Join("\n\n", pages);
    }
}

internal sealed record RandomTotal(TotalQuery Query) : RandomStep
{
    public override async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken) =>
        string.Join('\n', (await store.TotalAsync(Query, cancellationToken)).Select(row => $"{string.Join(',', row.Group)}: {row.Count} {string.Join(',', row.Sums)}"));
}

/// <summary>Several writes, of which all are done or none.</summary>
internal sealed record RandomUnit(ImmutableArray<RandomWrite> Writes) : RandomStep
{
    public override async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken)
    {
        var unit = new UnitOfWork();
        foreach (var write in Writes)
        {
            unit = await write.AddToAsync(unit, store, cancellationToken);
        }

        return string.Join('\n', (await store.WriteAsync(unit, cancellationToken)).Select(Text));
    }

    public override string ToString() => string.Join(" and ", Writes);
}

internal sealed record RandomBillRun(long Account, string Number) : RandomStep
{
    public override async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken) =>
        Text(await store.RunBillAsync(Account, SampleRows.Bill(Account, Number), null, cancellationToken));
}

internal sealed record RandomPayment(long Bill, decimal Amount) : RandomStep
{
    private static readonly DateTime At = new(2026, 4, 5, 6, 7, 8, DateTimeKind.Utc);

    public override async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken) => Text(await store.PayAsync(Bill, Amount, At, null, cancellationToken));
}

/// <param name="Key">Null: an insert.</param>
/// <param name="Values">Null: a delete.</param>
internal sealed record RandomWrite(string Entity, (string Column, long Value)? Key, ImmutableDictionary<string, object?>? Values) : RandomStep
{
    public override async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken)
    {
        if (Key is null)
        {
            return Text(await store.InsertAsync(Entity, Values!, cancellationToken));
        }

        if (await store.GetAsync(Entity, Key.Value.Column, Key.Value.Value, cancellationToken) is not { } read)
        {
            return "none";
        }

        if (Values is not null)
        {
            return Text(await store.UpdateAsync(read, Values, cancellationToken));
        }

        await store.DeleteAsync(read, cancellationToken);
        return "deleted";
    }

    public async Task<UnitOfWork> AddToAsync(UnitOfWork unit, IBillingStore store, CancellationToken cancellationToken) =>
        Key is null ? unit.Insert(Entity, Values!)
        : await store.GetAsync(Entity, Key.Value.Column, Key.Value.Value, cancellationToken) is not { } read ? unit
        : Values is null ? unit.Delete(read) : unit.Update(read, Values);

    public override string ToString() => $"{Entity} {Key} {string.Join(", ", Values?.Select(v => $"{v.Key}={v.Value}") ?? ["delete"])}";
}
