using System.Globalization;
using System.Numerics;
using System.Text;
using BillingMigration.Model;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace BillingMigration.Tests.Model;

public sealed class CanonicalNumberTests
{
    [Theory]
    [InlineData("0", "0")]
    [InlineData("-0", "0")]
    [InlineData("-0.00", "0")]
    [InlineData("00042", "42")]
    [InlineData("10.00", "10")]
    [InlineData("1200", "1200")]
    [InlineData("-0012.3400", "-12.34")]
    [InlineData("0.000100", "0.0001")]
    [InlineData("1.5E+3", "1500")]
    [InlineData("1.5e-3", "0.0015")]
    [InlineData("12345678901234567890123456789012345678", "12345678901234567890123456789012345678")]
    [InlineData("1E+125", "1" + "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000")]
    public void A_number_has_one_text(string text, string canonical) => Assert.Equal((CanonicalNumber.Verdict.Ok, canonical), Normalize(text));

    [Theory]
    [InlineData("123456789012345678901234567890123456789", CanonicalNumber.Verdict.TooManyDigits)]
    [InlineData("0.100000000000000000000000000000000000001", CanonicalNumber.Verdict.TooManyDigits)]
    [InlineData("1E+126", CanonicalNumber.Verdict.OutOfRange)]
    [InlineData("1E-131", CanonicalNumber.Verdict.OutOfRange)]
    [InlineData("", CanonicalNumber.Verdict.Malformed)]
    [InlineData("-", CanonicalNumber.Verdict.Malformed)]
    [InlineData("12a", CanonicalNumber.Verdict.Malformed)]
    [InlineData("1.2.3", CanonicalNumber.Verdict.Malformed)]
    [InlineData("1E", CanonicalNumber.Verdict.Malformed)]
    [InlineData("NaN", CanonicalNumber.Verdict.Malformed)]
    public void What_DynamoDB_cannot_hold_is_refused(string text, CanonicalNumber.Verdict verdict) => Assert.Equal(verdict, Normalize(text).Verdict);

    [Fact]
    public void A_decimal_keeps_its_value_and_is_normalised_once()
    {
        var digits = Gen.Choose(0, 9).ArrayOf(38).Select(d => BigInteger.Parse(string.Concat(d), CultureInfo.InvariantCulture));
        var numbers = from value in digits from scale in Gen.Choose(0, 30) from negative in Gen.Elements(true, false) select (value, scale, negative);
        Prop.ForAll(numbers.ToArbitrary(), n =>
        {
            var plain = n.value.ToString(CultureInfo.InvariantCulture).PadLeft(n.scale + 1, '0');
            var text = (n.negative ? "-" : "") + (n.scale == 0 ? plain : plain[..^n.scale] + "." + plain[^n.scale..]);
            var (verdict, canonical) = Normalize(text);
            return verdict == CanonicalNumber.Verdict.Ok && Value(canonical) == Value(text) && Normalize(canonical).Text == canonical
                && !(canonical.Contains('.', StringComparison.Ordinal) && canonical.EndsWith('0'));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_double_reads_back_as_the_same_bits() => Prop.ForAll<double>(value =>
    {
        var verdict = NormalizeFloat(value.ToString("R", CultureInfo.InvariantCulture), false, out var text);
        return verdict switch
        {
            CanonicalNumber.Verdict.Ok => BitConverter.DoubleToInt64Bits(double.Parse(text, CultureInfo.InvariantCulture)) == BitConverter.DoubleToInt64Bits(value),
            CanonicalNumber.Verdict.OutOfRange => Math.Abs(value) is >= 1e126 or < 1e-130,
            CanonicalNumber.Verdict.NegativeZero => value == 0,
            _ => !double.IsFinite(value),
        };
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_float_has_the_shortest_digits_of_its_four_bytes()
    {
        // MySQL prints a FLOAT that is widened to DOUBLE with the digits of the double.
        Assert.Equal(CanonicalNumber.Verdict.Ok, NormalizeFloat("0.10000000149011612", true, out var text));
        Assert.Equal("0.1", text);
    }

    [Fact]
    public void Negative_zero_of_a_float_is_refused() => Assert.Equal(CanonicalNumber.Verdict.NegativeZero, NormalizeFloat("-0", false, out _));

    private static (CanonicalNumber.Verdict Verdict, string Text) Normalize(string text)
    {
        Span<byte> into = stackalloc byte[CanonicalNumber.MaxLength];
        var verdict = CanonicalNumber.Normalize(Encoding.ASCII.GetBytes(text), into, out var length);
        return (verdict, Encoding.ASCII.GetString(into[..length]));
    }

    private static CanonicalNumber.Verdict NormalizeFloat(string text, bool single, out string canonical)
    {
        Span<byte> into = stackalloc byte[CanonicalNumber.MaxLength];
        var verdict = CanonicalNumber.NormalizeFloat(Encoding.ASCII.GetBytes(text), single, into, out var length);
        canonical = Encoding.ASCII.GetString(into[..length]);
        return verdict;
    }

    /// <summary>The number times 10^30, exactly.</summary>
    private static BigInteger Value(string text)
    {
        var point = text.IndexOf('.', StringComparison.Ordinal);
        var decimals = point < 0 ? 0 : text.Length - point - 1;
        return BigInteger.Parse(text.Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * BigInteger.Pow(10, 30 - decimals);
    }
}
