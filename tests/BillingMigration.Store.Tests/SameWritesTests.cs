using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>
/// The same random writes on MySQL, followed by the sync, and on DynamoDB: each step gives the same answer or the same refusal, and in the end both tables are the same, item for item.
/// </summary>
public sealed class SameWritesTests(SampleStores stores)
{
    private const int Steps = 250;

    private static readonly DateTimeOffset Start = new(2026, 3, 1, 8, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 2)]
    [InlineData(true, 3)]
    [InlineData(false, 4, true)]
    public async Task Both_backends_end_as_the_same_table(bool mariaDb, int seed, bool encrypted = false)
    {
        await using var source = await WritableShop.CreateAsync(stores, mariaDb, encrypted: encrypted);
        await using var target = await WritableShop.CreateAsync(stores, mariaDb, encrypted: encrypted);
        var time = new FakeTimeProvider(Start);
        await using var mySql = await source.OpenAsync(Backend.MySql, time);
        await using var dynamoDb = await target.OpenAsync(Backend.DynamoDb, time);
        Assert.Equal(await source.ItemsAsync(), await target.ItemsAsync());

        var writer = new RandomWrites(new Random(seed), await source.IdsAsync());
        var refusals = 0;
        for (var step = 0; step < Steps; step++)
        {
            time.Advance(TimeSpan.FromMilliseconds(1371));
            var change = writer.Next();
            var (expected, actual) = (await change.RunAsync(mySql, Cancel), await change.RunAsync(dynamoDb, Cancel));
            Assert.True(expected == actual, $"step {step}, {change}: {expected} on MySQL, {actual} on DynamoDB");
            writer.Remember(change, expected);
            refusals += expected.StartsWith("refused", StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.InRange(refusals, Steps / 50, Steps / 2);
        await source.SyncAsync();
        Assert.Equal(await source.ItemsAsync(), await target.ItemsAsync());
    }
}

/// <summary>Writes of random rows, some of which cannot be.</summary>
internal sealed class RandomWrites(Random random, IReadOnlyDictionary<string, List<long>> ids)
{
    private static readonly string[] Entities = [BillingEntity.Customer, BillingEntity.Account, BillingEntity.Subscriber, BillingEntity.Agreement, BillingEntity.Bill, BillingEntity.Charge];
    internal static readonly string[] Keys = ["customer_id", "account_id", "subscriber_id", "agreement_id", "bill_id", "charge_id"];

    private readonly List<long> accounts = [];
    private int number;

    public RandomWrite Next()
    {
        number++;
        var kind = random.Next(10);
        var entity = Entities[Math.Min(5, random.Next(9))];
        // A large account has more children than one transaction holds.
        var id = kind >= 8 && entity == BillingEntity.Account ? accounts.LastOrDefault(-1) : Some(entity);
        return kind < 5 ? new RandomWrite(entity, null, Insert(entity))
            : kind < 8 ? new RandomWrite(entity, (Keys[Array.IndexOf(Entities, entity)], id), Update(entity))
            : new RandomWrite(entity, (Keys[Array.IndexOf(Entities, entity)], id), null);
    }

    public void Remember(RandomWrite change, string result)
    {
        if (change.Key is null && !result.StartsWith("refused", StringComparison.Ordinal))
        {
            var id = long.Parse(result.Split('=', ';')[1], System.Globalization.CultureInfo.InvariantCulture);
            ids[change.Entity].Add(id);
            accounts.AddRange(change.Entity == BillingEntity.Account ? [id] : []);
        }
    }

    private ImmutableDictionary<string, object?> Insert(string entity) => entity switch
    {
        BillingEntity.Customer => WriteTests.Values(("customer_number", Number("C")), ("last_name", Text()), ("address", """{"zip": "1", "city": "Köln", "no": [1, 2.50, -0.0, 1e20]}"""), ("birth_date", new DateOnly(1980, 2, random.Next(1, 28)))),
        BillingEntity.Account => WriteTests.Account(Number("A")).SetItem("customer_id", Some(BillingEntity.Customer)).SetItem("balance", Amount()),
        BillingEntity.Subscriber => WriteTests.Values(("account_id", Some(BillingEntity.Account)), ("phone_number", Number("+")), ("activated_at", Point()), ("features", "SMS,VOICE"), ("pin_hash", new byte[] { 1, 2, 3 })),
        BillingEntity.Agreement => Agreement(),
        BillingEntity.Bill => WriteTests.Bill(Some(BillingEntity.Account), Number("B")).SetItem("status", random.Next(2) == 0 ? "PAID" : "overdue").SetItem("bill_date", new DateOnly(2026, random.Next(1, 13), 1)),
        _ => WriteTests.Charge(Some(BillingEntity.Account), Amount()).SetItem("charged_at", Point()).SetItem("bill_id", random.Next(3) == 0 ? Some(BillingEntity.Bill) : null).SetItem("subscriber_id", random.Next(3) == 0 ? Some(BillingEntity.Subscriber) : null),
    };

    /// <summary>Some of them fit their subscriber's account.</summary>
    private ImmutableDictionary<string, object?> Agreement()
    {
        var subscriber = Some(BillingEntity.Subscriber);
        return WriteTests.Values(
            ("subscriber_id", subscriber), ("account_id", Some(BillingEntity.Account)), ("product_code", Text()), ("monthly_fee", Amount()), ("start_date", new DateOnly(2026, 1, 1)),
            ("end_date", random.Next(2) == 0 ? null : new DateOnly(2027, random.Next(1, 13), 1)), ("terms", random.Next(2) == 0 ? null : """{"months":24,"a":{"bb":1,"a":2}}"""));
    }

    private ImmutableDictionary<string, object?> Update(string entity) => entity switch
    {
        BillingEntity.Customer => WriteTests.Values(("notes", random.Next(3) == 0 ? null : Text()), ("marketing_consent", random.Next(2))),
        BillingEntity.Account => random.Next(4) == 0 ? WriteTests.Values(("account_number", Number("A"))) : WriteTests.Values(("balance", Amount()), ("status", "SUSPENDED")),
        BillingEntity.Subscriber => random.Next(3) == 0 ? WriteTests.Values(("phone_number", Number("+"))) : WriteTests.Values(("display_name", Text()), ("imsi", (ulong)random.NextInt64())),
        BillingEntity.Agreement => WriteTests.Values(("end_date", random.Next(2) == 0 ? null : new DateOnly(2028, 1, random.Next(1, 28))), ("discount_percent", 12.345m)),
        BillingEntity.Bill => WriteTests.Values(("status", random.Next(2) == 0 ? "PAID" : "ISSUED"), ("amount_paid", Amount()), ("bill_date", new DateOnly(2026, 5, random.Next(1, 28)))),
        _ => WriteTests.Values(("charged_at", Point()), ("bill_id", random.Next(2) == 0 ? null : Some(BillingEntity.Bill)), ("amount", Amount())),
    };

    /// <summary>One in ten nobody has.</summary>
    private long Some(string entity) => random.Next(10) == 0 ? 900_000 + random.Next(100) : ids[entity][random.Next(ids[entity].Count)];

    private decimal Amount() => random.Next(-100_000, 1_000_000) / 10_000m;

    private DateTime Point() => new DateTime(2026, 1, 1).AddTicks(random.NextInt64(TimeSpan.TicksPerDay * 90));

    private string Text() => random.Next(3) switch { 0 => "", 1 => "名前 #%", _ => $"text {random.Next(100)}" };

    /// <summary>One in five was given before.</summary>
    private string Number(string prefix) => $"{prefix}-{(random.Next(5) == 0 ? random.Next(1, number + 1) : number)}";
}

/// <param name="Key">Null: an insert.</param>
/// <param name="Values">Null: a delete.</param>
internal sealed record RandomWrite(string Entity, (string Column, long Value)? Key, ImmutableDictionary<string, object?>? Values)
{
    /// <returns>The row, or the refusal, as a text.</returns>
    public async Task<string> RunAsync(IBillingStore store, CancellationToken cancellationToken)
    {
        try
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
        catch (StoreException e)
        {
            // Of several parents that are missing each server names another one: MySQL one and the other from time to time.
            return e.Error == StoreError.ParentMissing ? $"refused {e.Error}" : $"refused {e.Error} {e.Subject}";
        }
    }

    public override string ToString() => $"{Entity} {Key} {string.Join(", ", Values?.Select(v => $"{v.Key}={v.Value}") ?? ["delete"])}";

    private static string Text(BillingRecord record) => string.Join("; ", record.Columns.Select(c => $"{c}={record.Text(c) ?? "NULL"}"));
}
