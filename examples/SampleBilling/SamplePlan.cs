namespace SampleBilling;

/// <summary>How much belongs to one account. Everything else about it is drawn from sequences of its own.</summary>
/// <param name="Index">0-based; the account's id is one more.</param>
/// <param name="NewCustomers">0: shares the customer of the account before; 1: one of its own; 2: also a customer who has no account.</param>
/// <param name="FirstMonth">First month with charges, 0 to 11.</param>
/// <param name="LastMonth">Last month with charges; below 11 the account is closed.</param>
/// <param name="Charges">Enterprise: charges in all months together. Else: at most so many in a month.</param>
internal readonly record struct AccountShape(int Index, bool Enterprise, int NewCustomers, int Subscribers, int FirstMonth, int LastMonth, int Charges)
{
    public ulong AccountId => (ulong)Index + 1;

    public bool Closed => LastMonth < SamplePlan.Months - 1;
}

/// <summary>An account's shape and the ids that its customers and subscribers have.</summary>
/// <param name="CustomerId">The account's customer.</param>
/// <param name="FirstSubscriberId">Its subscribers follow one after the other.</param>
internal readonly record struct PlacedAccount(AccountShape Shape, ulong CustomerId, ulong FirstSubscriberId);

/// <summary>
/// Divides a number of rows into accounts: a quarter goes to a few enterprise accounts, each half as large as the one before, the rest to small
/// ones. What is left over in the end becomes charges of the largest account, so that the total is exact.
/// </summary>
internal sealed class SamplePlan
{
    public const int Months = 12;

    /// <summary>The last month is still open: its charges have no bill.</summary>
    public const int BilledMonths = Months - 1;

    public const int LargestEnterprise = 400_000;

    private const int SmallestEnterprise = 60;

    /// <summary>Average rows of a small account: only decides where among them the enterprise accounts stand.</summary>
    private const int RowsPerSmallAccount = 62;

    private readonly int _seed;
    private readonly int _mostSubscribers;
    private readonly Dictionary<int, AccountShape> _enterprises = [];
    private readonly int _largest;
    private readonly int _extraCharges;

    /// <param name="largest">Most rows of an enterprise account.</param>
    public SamplePlan(long rows, int seed, int largest)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, SampleData.FewestRows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, SampleData.MostRows);
        _seed = seed;
        _mostSubscribers = (int)Math.Clamp(rows / 500, 1, 60);
        var enterpriseRows = PlaceEnterprises(rows, largest);

        var left = rows - enterpriseRows;
        var placed = 0;
        for (; ; Accounts++)
        {
            var shape = ShapeOf(Accounts);
            var size = Count(shape);
            if (shape.Enterprise)
            {
                placed++;
            }
            else if (size.Total > left && placed == _enterprises.Count)
            {
                break;
            }
            else if (size.Total > left)
            {
                // No room for small ones any more: the enterprise accounts that are left follow at once.
                MoveNextEnterpriseTo(Accounts);
                Accounts--;
                continue;
            }
            else
            {
                left -= size.Total;
            }

            Counts = Counts.Plus(size);
        }

        _largest = _enterprises.Count == 0 ? 0 : _enterprises.MaxBy(e => e.Value.Charges).Key;
        _extraCharges = checked((int)left);
        Counts = Counts with { Charges = Counts.Charges + left };
    }

    public int Accounts { get; }

    public TableCounts Counts { get; }

    public IEnumerable<PlacedAccount> PlacedAccounts()
    {
        ulong customer = 0, subscriber = 1;
        for (var index = 0; index < Accounts; index++)
        {
            var shape = ShapeOf(index);
            customer += (ulong)shape.NewCustomers;
            yield return new(shape, customer, subscriber);
            subscriber += (ulong)shape.Subscribers;
        }
    }

    public int AgreementsOf(in AccountShape shape, int subscriber)
    {
        var random = new SampleRandom(_seed, Sequence.Agreements, shape.Index, subscriber);
        return random.Below(100) switch { < 6 => 0, < 76 => 1, < 95 => 2, _ => 3 };
    }

    public int ChargesOf(in AccountShape shape, int month)
    {
        if (month < shape.FirstMonth || month > shape.LastMonth)
        {
            return 0;
        }

        var extra = shape.Index == _largest ? _extraCharges : 0;
        if (shape.Enterprise)
        {
            var all = shape.Charges + extra;
            return all / Months + (month < all % Months ? 1 : 0);
        }

        var random = new SampleRandom(_seed, Sequence.Shape, shape.Index, month + 1);
        return 1 + random.Below(shape.Charges) + (month == Months - 1 ? extra : 0);
    }

    public static bool HasBill(in AccountShape shape, int month) => month < BilledMonths && month >= shape.FirstMonth && month <= shape.LastMonth;

    private long PlaceEnterprises(long rows, int largest)
    {
        var budget = rows / 4;
        var sizes = new List<int>();
        for (var left = budget; left / 2 >= Math.Max(SmallestEnterprise, budget / 40);)
        {
            sizes.Add((int)Math.Min(left / 2, largest));
            left -= sizes[^1];
        }

        var accounts = (rows - sizes.Sum(s => (long)s)) / RowsPerSmallAccount;
        for (var i = 0; i < sizes.Count; i++)
        {
            var index = (int)((i + 1) * accounts / (sizes.Count + 1)) + i;
            _enterprises.Add(index, EnterpriseShape(index, sizes[i]));
        }

        return sizes.Sum(s => (long)s);
    }

    private void MoveNextEnterpriseTo(int index)
    {
        var next = _enterprises.Keys.Where(k => k > index).Min();
        _enterprises.Remove(next, out var shape);
        // Its agreements hang on the index: the charges make up for the difference.
        _enterprises.Add(index, EnterpriseShape(index, (int)Count(shape).Total));
    }

    private AccountShape ShapeOf(int index)
    {
        if (_enterprises.TryGetValue(index, out var enterprise))
        {
            return enterprise;
        }

        var random = new SampleRandom(_seed, Sequence.Shape, index);
        var customers = index == 0 ? 1 : random.Below(100) switch { < 6 => 0, < 98 => 1, _ => 2 };
        var subscribers = random.Below(100) switch { < 68 => 1, < 87 => 2, < 95 => 3, < 99 => 4 + random.Below(7), _ => 11 + random.Below(50) };
        // The first account may have to take what is left over: it is open all the time.
        var first = index == 0 || random.Chance(65) ? 0 : 1 + random.Below(Months - 1);
        var last = index != 0 && random.Chance(5) ? first + random.Below(Months - first) : Months - 1;
        subscribers = Math.Min(subscribers, _mostSubscribers);
        return new(index, false, customers, subscribers, first, last, 3 + 3 * subscribers);
    }

    private AccountShape EnterpriseShape(int index, int rows)
    {
        var shape = new AccountShape(index, true, 1, Math.Max(4, rows / 30), 0, Months - 1, 0);
        var others = Count(shape).Total;
        return shape with { Charges = checked((int)(rows - others)) };
    }

    private TableCounts Count(in AccountShape shape)
    {
        long agreements = 0, bills = 0, charges = 0;
        for (var i = 0; i < shape.Subscribers; i++)
        {
            agreements += AgreementsOf(shape, i);
        }

        for (var month = 0; month < Months; month++)
        {
            bills += HasBill(shape, month) ? 1 : 0;
            charges += ChargesOf(shape, month);
        }

        return new(shape.NewCustomers, 1, shape.Subscribers, agreements, bills, charges);
    }
}

/// <summary>Rows of each table.</summary>
public readonly record struct TableCounts(long Customers, long Accounts, long Subscribers, long Agreements, long Bills, long Charges)
{
    public long Total => Customers + Accounts + Subscribers + Agreements + Bills + Charges;

    internal TableCounts Plus(in TableCounts other) => new(
        Customers + other.Customers, Accounts + other.Accounts, Subscribers + other.Subscribers,
        Agreements + other.Agreements, Bills + other.Bills, Charges + other.Charges);
}
