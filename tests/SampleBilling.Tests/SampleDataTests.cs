using System.Security.Cryptography;
using System.Text;
using Xunit;

namespace SampleBilling.Tests;

public sealed class SampleDataTests
{
    [Theory]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(999)]
    [InlineData(5_000)]
    [InlineData(50_000)]
    public void The_tables_hold_as_many_rows_as_asked_for(long rows)
    {
        var data = new SampleData(rows, 42);

        Assert.Equal(rows, data.Counts.Total);
        Assert.Equal(
            data.Counts,
            new(data.Customers().LongCount(), data.Accounts().LongCount(), data.Subscribers().LongCount(),
                data.Agreements().LongCount(), data.Bills().LongCount(), data.Charges().LongCount()));
    }

    [Fact]
    public void The_rows_of_seed_42_never_change()
    {
        // A new number here is a new sample database: whoever compares with an older one is surprised. Change it knowingly.
        Assert.Equal("fcd3295704996e0a", HashOf(new SampleData(5_000, 42)));
    }

    [Fact]
    public void Another_seed_gives_other_rows() => Assert.NotEqual(HashOf(new SampleData(5_000, 42)), HashOf(new SampleData(5_000, 43)));

    [Fact]
    public void A_million_rows_have_an_enterprise_account_with_thousands_of_subscribers_and_over_100_000_charges()
    {
        var data = new SampleData(1_000_000, 42);

        var subscribers = data.Subscribers().CountBy(s => s.AccountId).MaxBy(c => c.Value);
        var charges = data.Charges().CountBy(c => c.AccountId).MaxBy(c => c.Value);

        Assert.True(subscribers.Value > 2_000, $"{subscribers.Value} subscribers");
        Assert.True(charges.Value > 100_000, $"{charges.Value} charges");
        Assert.Equal(subscribers.Key, charges.Key);
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(100_000)]
    public void Most_accounts_are_small_and_one_is_far_larger(long rows)
    {
        var data = new SampleData(rows, 7);

        var sizes = data.Subscribers().CountBy(s => s.AccountId).Select(c => c.Value).ToList();
        var charges = data.Charges().CountBy(c => c.AccountId).Select(c => c.Value).Order().ToList();

        Assert.True(sizes.Count(s => s <= 3) > sizes.Count * 0.75, $"{sizes.Count(s => s <= 3)} of {sizes.Count} are small");
        Assert.True(charges[^1] > 2 * charges[charges.Count / 2], $"largest {charges[^1]}, median {charges[charges.Count / 2]}");
        Assert.True(charges[^1] > rows / 20, $"largest {charges[^1]}");
    }

    [Fact]
    public void A_bill_is_the_sum_of_its_charges()
    {
        var data = new SampleData(20_000, 42);

        var charges = data.Charges().Where(c => c.BillId is not null).ToLookup(c => c.BillId!.Value);
        foreach (var bill in data.Bills().Where(b => b.Status != "CANCELLED"))
        {
            Assert.Equal(Math.Round(charges[bill.BillId].Sum(c => c.Amount), 2, MidpointRounding.AwayFromZero), bill.Subtotal);
            Assert.Equal(bill.Subtotal + bill.TaxAmount, bill.Total);
            Assert.All(charges[bill.BillId], c => Assert.Equal(bill.AccountId, c.AccountId));
        }
    }

    [Fact]
    public void A_child_names_a_parent_that_is_there()
    {
        var data = new SampleData(20_000, 42);

        var customers = data.Customers().Select(c => c.CustomerId).ToHashSet();
        var accounts = data.Accounts().ToDictionary(a => a.AccountId, a => a.CustomerId);
        var subscribers = data.Subscribers().ToDictionary(s => s.SubscriberId, s => s.AccountId);
        var bills = data.Bills().Select(b => b.BillId).ToHashSet();

        Assert.All(accounts.Values, id => Assert.Contains(id, customers));
        Assert.All(subscribers.Values, id => Assert.Contains(id, accounts));
        Assert.All(data.Agreements(), a => Assert.Equal(subscribers[a.SubscriberId], a.AccountId));
        Assert.All(data.Charges(), c => Assert.True(c.SubscriberId is not { } id || subscribers[id] == c.AccountId));
        Assert.All(data.Charges(), c => Assert.True(c.BillId is not { } id || bills.Contains(id)));
        Assert.All(data.Charges(), c => Assert.Contains(c.AccountId, accounts));
    }

    [Fact]
    public void Ten_thousand_rows_have_every_status_and_NULL_beside_empty_text()
    {
        var data = new SampleData(10_000, 42);

        Assert.Equal(["CANCELLED", "DRAFT", "ISSUED", "OVERDUE", "PAID"], data.Bills().Select(b => b.Status).Distinct().Order());
        Assert.Equal(["ACTIVE", "CLOSED", "SUSPENDED"], data.Accounts().Select(a => a.Status).Distinct().Order());
        Assert.Equal(["ACTIVE", "SUSPENDED", "TERMINATED"], data.Subscribers().Select(s => s.Status).Distinct().Order());
        Assert.Equal(["ACTIVE", "ENDED", "PENDING"], data.Agreements().Select(a => a.Status).Distinct().Order());
        Assert.Equal(["ADJUSTMENT", "DISCOUNT", "ONE_TIME", "RECURRING", "USAGE"], data.Charges().Select(c => c.ChargeType).Distinct().Order());
        Assert.Contains(data.Subscribers(), s => s.DisplayName is null);
        Assert.Contains(data.Subscribers(), s => s.DisplayName == "");
        Assert.Contains(data.Customers(), c => c.Email == "");
        Assert.Contains(data.Customers(), c => c.Email is null);
        Assert.Contains(data.Charges(), c => c.BillId is null);
        Assert.Contains(data.Charges(), c => c.SubscriberId is null);
        Assert.Contains(data.Accounts(), a => a.Preferences?.Contains("18446744073709551615", StringComparison.Ordinal) == true);
    }

    private static string HashOf(SampleData data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(data.Customers());
        Append(data.Accounts());
        Append(data.Subscribers());
        Append(data.Agreements());
        Append(data.Bills());
        Append(data.Charges());
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];

        void Append<T>(IEnumerable<T> rows)
        {
            foreach (var row in rows)
            {
                hash.AppendData(Encoding.UTF8.GetBytes(row!.ToString()!));
            }
        }
    }
}
