namespace SampleBilling;

/// <summary>
/// The rows of a sample billing database: the same rows for the same number and seed, on every machine, made one by one, so that memory does not
/// depend on their number. All times lie before 2 January 2026 (agreements may end later); nothing depends on the day the rows are made.
/// </summary>
public sealed partial class SampleData
{
    /// <summary>Fewest rows in all six tables together.</summary>
    public const long FewestRows = 100;

    /// <summary>Most rows in all six tables together: phone numbers have nine digits to differ in.</summary>
    public const long MostRows = 1_000_000_000;

    private const int Year = 2025;
    private static readonly DateTime WindowStart = new(Year, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private readonly SamplePlan _plan;

    /// <param name="largestAccount">Most rows of one account.</param>
    public SampleData(long rows, int seed, int largestAccount = SamplePlan.LargestEnterprise)
    {
        Rows = rows;
        Seed = seed;
        _plan = new SamplePlan(rows, seed, largestAccount);
    }

    /// <summary>Rows in all six tables together.</summary>
    public long Rows { get; }

    public int Seed { get; }

    public TableCounts Counts => _plan.Counts;

    public IEnumerable<CustomerRow> Customers()
    {
        ulong id = 0;
        foreach (var account in _plan.PlacedAccounts())
        {
            for (var i = account.Shape.NewCustomers; i > 0; i--)
            {
                id++;
                yield return Customer(id, i == 1 ? account.Shape : default);
            }
        }
    }

    public IEnumerable<AccountRow> Accounts() => _plan.PlacedAccounts().Select(Account);

    public IEnumerable<SubscriberRow> Subscribers()
    {
        foreach (var account in _plan.PlacedAccounts())
        {
            for (var i = 0; i < account.Shape.Subscribers; i++)
            {
                yield return Subscriber(account, i);
            }
        }
    }

    public IEnumerable<AgreementRow> Agreements()
    {
        ulong id = 0;
        foreach (var account in _plan.PlacedAccounts())
        {
            for (var subscriber = 0; subscriber < account.Shape.Subscribers; subscriber++)
            {
                for (var n = _plan.AgreementsOf(account.Shape, subscriber); n > 0; n--)
                {
                    yield return Agreement(++id, account, subscriber);
                }
            }
        }
    }

    /// <summary>Bills month by month, as bill runs make them. A bill's amounts are the sums of its charges.</summary>
    public IEnumerable<BillRow> Bills()
    {
        ulong id = 0;
        for (var month = 0; month < SamplePlan.BilledMonths; month++)
        {
            foreach (var account in _plan.PlacedAccounts())
            {
                if (SamplePlan.HasBill(account.Shape, month))
                {
                    yield return Bill(++id, account, month);
                }
            }
        }
    }

    /// <summary>Charges month by month, as they come in. Those of the last month have no bill yet.</summary>
    public IEnumerable<ChargeRow> Charges()
    {
        ulong id = 0, bill = 0;
        for (var month = 0; month < SamplePlan.Months; month++)
        {
            foreach (var account in _plan.PlacedAccounts())
            {
                ulong? billId = null;
                if (SamplePlan.HasBill(account.Shape, month))
                {
                    bill++;
                    // A cancelled bill gives its charges back: they are unbilled again.
                    billId = BillStatus(account.Shape, month) == "CANCELLED" ? null : bill;
                }

                for (int i = 0, count = _plan.ChargesOf(account.Shape, month); i < count; i++)
                {
                    var random = new SampleRandom(Seed, Sequence.Charge, account.Shape.Index, ((long)month << 32) + i);
                    var priced = Price(ref random);
                    yield return Charge(++id, account, month, priced.Late ? null : billId, priced, ref random);
                }
            }
        }
    }

    /// <summary>A moment in a month, to the microsecond.</summary>
    private static DateTime MomentIn(ref SampleRandom random, DateTime month) =>
        month.AddTicks(random.Below((month.AddMonths(1) - month).Ticks / 10) * 10);

    /// <summary>A moment in the years before the first month.</summary>
    private static DateTime MomentBefore(ref SampleRandom random, int days) =>
        WindowStart.AddTicks(-10 * random.Below(days * (TimeSpan.TicksPerDay / 10)) - 10);

    private static DateTime StartOf(int month) => WindowStart.AddMonths(month);

    private static decimal Cents(long value) => Scaled(value, 2);

    private static decimal Scaled(long value, byte scale)
    {
        var size = (ulong)Math.Abs(value);
        return new((int)size, (int)(size >> 32), 0, value < 0, scale);
    }
}
