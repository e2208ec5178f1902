using System.Globalization;
using System.Numerics;

namespace BillingMigration.Store;

/// <summary>Decimal numbers of any length as whole numbers of their last decimal.</summary>
internal static class ExactNumber
{
    /// <summary>Beyond that of every double.</summary>
    private const int MostExponent = 400;

    /// <summary>Digits beyond <paramref name="scale"/> are rounded, half away from zero.</summary>
    /// <exception cref="FormatException">It is no decimal number.</exception>
    /// <exception cref="OverflowException">Its exponent is larger than that of any number of a column.</exception>
    public static BigInteger Parse(ReadOnlySpan<char> text, int scale)
    {
        if (text.IndexOfAny('E', 'e') is >= 0 and var at)
        {
            return Parse(WithoutExponent(text[..at], int.Parse(text[(at + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)), scale);
        }

        var negative = text is ['-', ..];
        var digits = text is ['-' or '+', ..] ? text[1..] : text;
        var point = digits.IndexOf('.');
        var whole = point < 0 ? digits : digits[..point];
        var fraction = point < 0 ? [] : digits[(point + 1)..];
        if (whole.Length + fraction.Length == 0 || whole.ContainsAnyExceptInRange('0', '9') || fraction.ContainsAnyExceptInRange('0', '9'))
        {
            throw new FormatException("it is no decimal number");
        }

        var kept = fraction.Length > scale ? fraction[..scale] : fraction;
        var number = BigInteger.Parse($"0{whole}{kept}", CultureInfo.InvariantCulture) * BigInteger.Pow(10, scale - kept.Length);
        number += fraction.Length > scale && fraction[scale] >= '5' ? 1 : 0;
        return negative ? -number : number;
    }

    private static string WithoutExponent(ReadOnlySpan<char> digits, int exponent)
    {
        if (Math.Abs((long)exponent) > MostExponent)
        {
            throw new OverflowException("its exponent is too large");
        }

        var sign = digits is ['-', ..] ? "-" : "";
        var number = digits is ['-' or '+', ..] ? digits[1..] : digits;
        var point = number.IndexOf('.') is >= 0 and var at ? at : number.Length;
        var all = string.Concat(number[..point], point < number.Length ? number[(point + 1)..] : []);
        var place = point + exponent;
        return place <= 0 ? $"{sign}0.{new string('0', -place)}{all}"
            : place >= all.Length ? $"{sign}{all}{new string('0', place - all.Length)}"
            : $"{sign}{all[..place]}.{all[place..]}";
    }

    /// <summary>The sum of texts of the same number of decimals; null where all are null.</summary>
    public static string? Add(IEnumerable<string?> numbers)
    {
        var given = numbers.OfType<string>().ToArray();
        if (given.Length == 0)
        {
            return null;
        }

        var scale = given[0].IndexOf('.', StringComparison.Ordinal) is >= 0 and var point ? given[0].Length - point - 1 : 0;
        return Text(given.Aggregate(BigInteger.Zero, (sum, number) => sum + Parse(number, scale)), scale);
    }

    /// <summary>As the source prints a DECIMAL: all decimals, no sign of zero.</summary>
    public static string Text(BigInteger number, int scale)
    {
        var digits = BigInteger.Abs(number).ToString(CultureInfo.InvariantCulture).PadLeft(scale + 1, '0');
        return $"{(number.Sign < 0 ? "-" : "")}{digits[..^scale]}{(scale > 0 ? "." : "")}{digits[^scale..]}";
    }
}
