using System.Globalization;

namespace SampleBilling;

// Bills and charges. Money is counted in whole ten-thousandths, quantities in millionths.
public sealed partial class SampleData
{
    /// <param name="Late">Came in after the bill run: has no bill although its month is billed.</param>
    private readonly record struct PricedCharge(string Type, long Quantity, long Amount, long Tax, bool Late);

    private string BillStatus(in AccountShape shape, int month)
    {
        var roll = new SampleRandom(Seed, Sequence.Bill, shape.Index, month).Below(100);
        return (SamplePlan.BilledMonths - month) switch
        {
            1 => roll switch { < 20 => "DRAFT", < 80 => "ISSUED", < 95 => "PAID", _ => "CANCELLED" },
            2 => roll switch { < 10 => "ISSUED", < 28 => "OVERDUE", < 96 => "PAID", _ => "CANCELLED" },
            _ => roll switch { < 4 => "OVERDUE", < 97 => "PAID", _ => "CANCELLED" },
        };
    }

    private BillRow Bill(ulong id, in PlacedAccount account, int month)
    {
        var shape = account.Shape;
        var random = new SampleRandom(Seed, Sequence.Bill, shape.Index, month);
        _ = random.Next(); // the status's
        var status = BillStatus(shape, month);
        var (amount, tax) = Sum(shape, month);
        long subtotal = RoundToCents(amount), taxes = RoundToCents(tax), total = subtotal + taxes;
        var paid = status switch { "PAID" => total, "OVERDUE" when random.Chance(25) => total / 3, _ => 0 };
        var period = StartOf(month);
        var billDate = period.AddMonths(1).AddDays(random.Below(3));
        var dueDate = billDate.AddDays(14);
        return new(
            id, shape.AccountId, string.Create(CultureInfo.InvariantCulture, $"{period:yyyyMM}-{id:D10}"), status, period, period.AddMonths(1).AddDays(-1),
            billDate, dueDate, Cents(subtotal), Cents(taxes), Cents(total), Cents(paid),
            status == "PAID" ? billDate.AddTicks(10 * random.Below(13 * (TimeSpan.TicksPerDay / 10))) : null,
            billDate.AddTicks(10 * random.Below(TimeSpan.TicksPerDay / 10)));
    }

    private (long Amount, long Tax) Sum(in AccountShape shape, int month)
    {
        long amount = 0, tax = 0;
        for (int i = 0, count = _plan.ChargesOf(shape, month); i < count; i++)
        {
            var random = new SampleRandom(Seed, Sequence.Charge, shape.Index, ((long)month << 32) + i);
            var priced = Price(ref random);
            if (!priced.Late)
            {
                amount += priced.Amount;
                tax += priced.Tax;
            }
        }

        return (amount, tax);
    }

    /// <summary>The part of a charge that its bill needs too; draws the sequence's first numbers.</summary>
    private static PricedCharge Price(ref SampleRandom random)
    {
        var kind = random.Below(100);
        var late = random.Below(200) == 0;
        var (type, quantity, amount) = kind switch
        {
            < 25 => ("RECURRING", 1_000_000L, 49_900L + 50_000 * random.Below(16)),
            < 86 => Usage(ref random),
            < 91 => ("ONE_TIME", 1_000_000L * (1 + random.Below(3)), 99_000L + 10_000 * random.Below(400)),
            < 96 => ("DISCOUNT", 1_000_000L, -10_000L * (1 + random.Below(15))),
            _ => ("ADJUSTMENT", 1_000_000L, random.Below(400_000L) - 200_000),
        };
        return new(type, quantity, amount, Divide(amount * 19, 100), late);
    }

    private static (string Type, long Quantity, long Amount) Usage(ref SampleRandom random)
    {
        var quantity = random.Chance(50) ? 1_000_000L * (1 + random.Below(300)) : 1 + random.Below(2_000_000_000L);
        return ("USAGE", quantity, random.Chance(20) ? 0 : Divide(quantity * (5 + random.Below(200)), 1_000_000));
    }

    private static ChargeRow Charge(ulong id, in PlacedAccount account, int month, ulong? bill, in PricedCharge priced, ref SampleRandom random)
    {
        var shape = account.Shape;
        ulong? subscriber = null;
        if (priced.Type is "RECURRING" or "USAGE" || random.Chance(25))
        {
            // The smaller of two draws: the first subscribers of an account use it more than the last.
            subscriber = account.FirstSubscriberId + (ulong)Math.Min(random.Below(shape.Subscribers), random.Below(shape.Subscribers));
        }

        var charged = MomentIn(ref random, StartOf(month));
        var description = priced.Type switch
        {
            "RECURRING" => random.Pick(SampleWords.Products),
            "USAGE" => random.Pick(SampleWords.UsageKinds),
            "ONE_TIME" => random.Pick(SampleWords.OneTimeKinds),
            "DISCOUNT" => "Loyalty discount, −5 %",
            _ => random.Chance(30) ? "" : "Manual adjustment",
        };
        return new(
            id, shape.AccountId, subscriber, bill, priced.Type, description, Scaled(priced.Quantity, 6), Scaled(priced.Amount, 4), Scaled(priced.Tax, 4),
            charged, charged.AddTicks(10 * random.Below(3_600_000_000L)));
    }

    private static long RoundToCents(long amount) => Divide(amount, 100);

    /// <summary>Divides and rounds half away from zero, as MySQL's ROUND does with exact numbers.</summary>
    private static long Divide(long value, long by) => (value + (value < 0 ? -by / 2 : by / 2)) / by;
}
