using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store;

namespace BillingMigration.Torture;

/// <summary>Calls that applications make, some of which cannot be: on few accounts, so that they meet.</summary>
internal sealed class StoreCallPlan(StoreMirror mirror, Random random)
{
    private static readonly DateTime At = new(2026, 2, 1, 0, 0, 0, DateTimeKind.Unspecified);

    private readonly UnitPlan units = new(mirror, random);
    private readonly bool hasCalls = mirror.Model.Entities.Any(e => e.Entity == BillingEntity.Call);
    private int number;

    /// <summary>Some charges have texts of up to 110,000 bytes.</summary>
    public bool HasLargeRows { get; init; }

    public StoreCall Next(bool knowsLater)
    {
        number++;
        return random.Next(100) switch
        {
            < 18 => Post(Charge()),
            < 26 => Pay(),
            < 36 => BillRun(knowsLater),
            < 41 => Insert(BillingEntity.Charge, Keyed(Charge()), null),
            < 46 => Unit(units.Next(Some(BillingEntity.Account), Some, Number, BillOf)),
            < 51 => Account(),
            < 55 => Subscriber(),
            < 57 => random.Next(2) == 0 ? Bill() : MovedBill(),
            < 60 => Agreement(),
            < 61 => Update(BillingEntity.Agreement, Values(("subscriber_id", Some(BillingEntity.Subscriber)))),
            < 64 => Update(BillingEntity.Charge, Values(("description", $"call {number}"))),
            < 66 => Update(BillingEntity.Charge, Values(("amount", Amount()))),
            < 68 => Update(BillingEntity.Charge, Values(("bill_id", random.Next(3) > 0 ? null : Some(BillingEntity.Bill)))),
            < 72 => Move(),
            < 76 => Update(BillingEntity.Account, random.Next(2) == 0 ? Values(("account_number", Number("A"))) : Values(("currency", random.Next(2) == 0 ? "USD" : "EUR"))),
            < 79 => Update(BillingEntity.Subscriber, Values(("phone_number", Number("+")))),
            < 84 => Later(knowsLater),
            < 88 => new DeleteCall(number, Entity(BillingEntity.Charge), Some(BillingEntity.Charge)),
            < 91 => new DeleteCall(number, Entity(BillingEntity.Bill), Some(BillingEntity.Bill)),
            < 94 => new DeleteCall(number, Entity(BillingEntity.Subscriber), Some(BillingEntity.Subscriber)),
            < 97 => new DeleteCall(number, Entity(BillingEntity.Account), Some(BillingEntity.Account)),
            < 98 => new DeleteCall(number, Entity(BillingEntity.Customer), Some(BillingEntity.Customer)),
            _ => Insert(BillingEntity.Customer, Values(("customer_number", Number("C")), ("address", "{}")), "customer_number"),
        };
    }

    /// <summary>One in three calls has a key of its own, and may be repeated: by anybody, at any time, also while it is under way.</summary>
    private StoreCall Once(Func<StoreCall> make)
    {
        if (!hasCalls || random.Next(3) > 0)
        {
            return make();
        }

        var once = new RepeatedCall($"call {number}", make);
        return once.Again();
    }

    public static ImmutableDictionary<string, object?> Values(params (string Column, object? Value)[] values) => values.ToImmutableDictionary(v => v.Column, v => v.Value);

    public static ImmutableDictionary<string, object?> Charge(long account, decimal amount, string text) => Values(
        ("account_id", account), ("charge_type", "USAGE"), ("description", text), ("amount", amount), ("tax_amount", amount * 0.19m), ("charged_at", At));

    public static ImmutableDictionary<string, object?> Account(long customer, string number) => Values(
        ("customer_id", customer), ("account_number", number), ("currency", "EUR"), ("bill_cycle_day", 5), ("opened_at", At));

    public static ImmutableDictionary<string, object?> Subscriber(long account, string phone) => Values(("account_id", account), ("phone_number", phone), ("activated_at", At));

    private ImmutableDictionary<string, object?> Charge() => Charge(Some(BillingEntity.Account), Amount(), $"charge {number}{(HasLargeRows && random.Next(4) == 0 ? new string('x', random.Next(110_000)) : "")}")
        .SetItem("charged_at", At.AddMinutes(random.Next(1_000)))
        .SetItem("bill_id", random.Next(8) == 0 ? Some(BillingEntity.Bill) : null)
        .SetItem("subscriber_id", random.Next(4) == 0 ? Some(BillingEntity.Subscriber) : null);

    /// <summary>Its key is one of few, which rows that are gone have had.</summary>
    private StoreCall Bill() => Insert(BillingEntity.Bill, BillOf(Some(BillingEntity.Account)).SetItem("bill_id", 900_000L + random.Next(5)), "bill_number");

    /// <summary>A bill whose item gets another key, at times in another partition.</summary>
    private UpdateCall MovedBill() => Update(BillingEntity.Bill, random.Next(3) == 0 ? Values(("account_id", Some(BillingEntity.Account))) : Values(("bill_date", new DateOnly(2026, 2, random.Next(1, 28)))));

    /// <summary>Some have a key of their own, and one that is refused has the last that there is.</summary>
    private ImmutableDictionary<string, object?> Keyed(ImmutableDictionary<string, object?> charge) => random.Next(6) switch
    {
        0 => charge.SetItem("charge_id", random.Next(4) == 0 ? 1_001L + number : 2_000_000L + number),
        1 => charge.SetItem("charge_id", ulong.MaxValue).SetItem("account_id", 900_000L),
        _ => charge,
    };

    private StoreCall Account() => Insert(BillingEntity.Account, Account(Some(BillingEntity.Customer), Number("A")), "account_number");

    private StoreCall Subscriber() => Insert(BillingEntity.Subscriber, Subscriber(Some(BillingEntity.Account), Number("+")), "phone_number");

    private StoreCall Post(ImmutableDictionary<string, object?> charge)
    {
        var n = number;
        return Once(() => new PostCall(n, mirror, charge));
    }

    private StoreCall Insert(string entity, ImmutableDictionary<string, object?> values, string? find)
    {
        var n = number;
        return Once(() => new InsertCall(n, Entity(entity), values, find));
    }

    private StoreCall Unit(ImmutableArray<UnitStep> steps)
    {
        var n = number;
        return Once(() => new UnitCall(n, mirror, steps));
    }

    private StoreCall Agreement()
    {
        var subscriber = Some(BillingEntity.Subscriber);
        var account = mirror.Find(BillingEntity.Subscriber, subscriber) is { } row && random.Next(5) > 0 ? new BillingRecord(Entity(BillingEntity.Subscriber), row).Get<long>("account_id") : Some(BillingEntity.Account);
        return Insert(
            BillingEntity.Agreement,
            Values(("subscriber_id", subscriber), ("account_id", account), ("product_code", "FLAT"), ("monthly_fee", random.Next(1, 1_000) / 10m), ("start_date", new DateOnly(2026, 1, 1))), null);
    }

    private StoreCall Pay()
    {
        var id = Some(BillingEntity.Bill);
        var open = mirror.Find(BillingEntity.Bill, id) is { } row ? BillingAmounts.Of(Entity(BillingEntity.Bill), row, "total") - BillingAmounts.Of(Entity(BillingEntity.Bill), row, "amount_paid") : 1;
        var amount = random.Next(10) switch
        {
            0 => open + 1,
            1 => 0.005m,
            _ => Math.Max(0.01m, decimal.Round(open / random.Next(1, 4), 2)),
        };
        var n = number;
        return Once(() => new PayCall(n, mirror, id, amount));
    }

    private StoreCall BillRun(bool knowsLater)
    {
        var account = Some(BillingEntity.Account);
        var bill = BillOf(account);
        bill = random.Next(6) == 0 ? bill.SetItem("bill_id", 900_000L + random.Next(5)) : bill;
        var n = number;
        // Who does not know the column cannot repeat it.
        return knowsLater && random.Next(2) == 0
            ? new BillRunCall(n, mirror, account, bill.SetItem(SimulatedShop.LaterColumn, random.Next(1_000)))
            : Once(() => new BillRunCall(n, mirror, account, bill));
    }

    private ImmutableDictionary<string, object?> BillOf(long account) => Values(
        ("account_id", account), ("bill_number", Number("B")), ("status", "ISSUED"), ("period_start", new DateOnly(2026, 1, 1)), ("period_end", new DateOnly(2026, 1, 31)),
        ("bill_date", new DateOnly(2026, 2, random.Next(1, 28))), ("due_date", new DateOnly(2026, 3, 15)), ("subtotal", 0m), ("tax_amount", 0m), ("total", 0m));

    /// <summary>Another account, another time, or another subscriber: the item moves, or refers to another.</summary>
    private UpdateCall Move() => Update(BillingEntity.Charge, random.Next(3) switch
    {
        0 => Values(("account_id", Some(BillingEntity.Account))),
        1 => Values(("charged_at", At.AddMinutes(random.Next(1_000)))),
        _ => Values(("subscriber_id", random.Next(3) == 0 ? null : Some(BillingEntity.Subscriber))),
    });

    private UpdateCall Later(bool knows) => knows
        ? Update(random.Next(3) switch { 0 => BillingEntity.Charge, 1 => BillingEntity.Bill, _ => BillingEntity.Account }, Values((SimulatedShop.LaterColumn, random.Next(1_000))))
        : Update(BillingEntity.Charge, Values(("quantity", random.Next(1, 9))));

    private UpdateCall Update(string entity, ImmutableDictionary<string, object?> values) => new(number, Entity(entity), Some(entity), values);

    private EntityModel Entity(string entity) => mirror.Model[entity];

    /// <summary>One that is there, more often one of the few busy ones; one in twenty nobody has.</summary>
    private long Some(string entity)
    {
        var model = mirror.Model[entity];
        var ids = mirror.Of(entity).Select(r => new BillingRecord(model, r).Get<long>(model.Row[model.PrimaryKey[0]].Column.Name)).Order().ToArray();
        return ids.Length == 0 || random.Next(20) == 0 ? 900_000 + random.Next(5)
            : entity == BillingEntity.Account && random.Next(2) == 0 ? ids[Math.Min(random.Next(2), ids.Length - 1)]
            : ids[random.Next(ids.Length)];
    }

    /// <summary>One in ten is near the limit of its column, so that sums of them may not fit theirs.</summary>
    private decimal Amount() => random.Next(10) == 0 ? random.Next(1_000, 8_000) * 1_000_000m : random.Next(1, 100_000) / (random.Next(3) == 0 ? 10_000m : 100m);

    /// <summary>One in three another row has already, or takes at the same time.</summary>
    private string Number(string prefix) => $"{prefix}{(random.Next(3) == 0 ? random.Next(1, 12) : 1_000 + number)}";
}
