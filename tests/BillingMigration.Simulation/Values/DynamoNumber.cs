using System.Globalization;
using System.Numerics;

namespace BillingMigration.Simulation;

/// <summary>An exact decimal number of up to 38 digits: 0.d1d2d3… times a power of ten, without zeros at either end of the digits.</summary>
internal readonly struct DynamoNumber : IComparable<DynamoNumber>, IEquatable<DynamoNumber>
{
    private const int MaxDigits = 38;

    private DynamoNumber(bool negative, string digits, int exponent) => (Negative, Digits, Exponent) = (negative, digits, exponent);

    public bool Negative { get; }

    public string Digits { get; }

    public int Exponent { get; }

    public bool IsZero => Digits.Length == 0;

    public static DynamoNumber Parse(string text)
    {
        var i = 0;
        var negative = text.Length > 0 && text[0] == '-';
        i += negative || (text.Length > 0 && text[0] == '+') ? 1 : 0;
        Span<char> digits = text.Length <= 256 ? stackalloc char[text.Length] : new char[text.Length];
        var (count, point, any) = (0, 0, false);
        var seenPoint = false;
        for (; i < text.Length && (char.IsAsciiDigit(text[i]) || (text[i] == '.' && !seenPoint)); i++)
        {
            if (text[i] == '.')
            {
                seenPoint = true;
                continue;
            }

            any = true;
            if (count > 0 || text[i] != '0')
            {
                digits[count++] = text[i];
                point += seenPoint ? 0 : 1;
            }
            else
            {
                point -= seenPoint ? 1 : 0;
            }
        }

        if (!any || !TryExponent(text.AsSpan(i), out var exponent))
        {
            throw ServiceError.Invalid($"The parameter cannot be converted to a numeric value: {text}");
        }

        return Create(negative, digits[..count], point + exponent);
    }

    public static DynamoNumber Add(DynamoNumber left, DynamoNumber right)
    {
        if (left.IsZero || right.IsZero)
        {
            return left.IsZero ? right : left;
        }

        var (low, leftScale, rightScale) = (Math.Min(left.Scale, right.Scale), left.Scale, right.Scale);
        if (Math.Max(left.Exponent, right.Exponent) - low > 300)
        {
            throw ServiceError.Invalid("Number overflow. Attempting to store a number with magnitude larger than supported range");
        }

        var sum = (left.Mantissa * BigInteger.Pow(10, leftScale - low)) + (right.Mantissa * BigInteger.Pow(10, rightScale - low));
        var text = BigInteger.Abs(sum).ToString(CultureInfo.InvariantCulture);
        return sum.IsZero ? Create(false, default, 0) : Create(sum.Sign < 0, text, text.Length + low);
    }

    public DynamoNumber Negate() => IsZero ? this : new(!Negative, Digits, Exponent);

    public int CompareTo(DynamoNumber other)
    {
        if (IsZero || other.IsZero)
        {
            return Sign.CompareTo(other.Sign);
        }

        if (Negative != other.Negative)
        {
            return Negative ? -1 : 1;
        }

        var magnitude = Exponent != other.Exponent ? Exponent.CompareTo(other.Exponent) : string.CompareOrdinal(Digits, other.Digits);
        return Negative ? -magnitude : magnitude;
    }

    public bool Equals(DynamoNumber other) => CompareTo(other) == 0;

    public override bool Equals(object? obj) => obj is DynamoNumber other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(Negative, Exponent, Digits);

    /// <summary>As DynamoDB prints it: plain digits, no exponent, no zeros that mean nothing.</summary>
    public override string ToString()
    {
        if (IsZero)
        {
            return "0";
        }

        var plain = Exponent <= 0 ? "0." + new string('0', -Exponent) + Digits
            : Exponent >= Digits.Length ? Digits + new string('0', Exponent - Digits.Length)
            : Digits[..Exponent] + "." + Digits[Exponent..];
        return Negative ? "-" + plain : plain;
    }

    private int Sign => IsZero ? 0 : Negative ? -1 : 1;

    private int Scale => Exponent - Digits.Length;

    private BigInteger Mantissa => BigInteger.Parse(Digits, CultureInfo.InvariantCulture) * (Negative ? -1 : 1);

    private static bool TryExponent(ReadOnlySpan<char> text, out int exponent)
    {
        exponent = 0;
        return text.IsEmpty || (text[0] is 'e' or 'E' && int.TryParse(text[1..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)
            && exponent is > -1000 and < 1000);
    }

    private static DynamoNumber Create(bool negative, ReadOnlySpan<char> digits, int exponent)
    {
        digits = digits.TrimEnd('0');
        if (digits.IsEmpty)
        {
            return new(false, string.Empty, 0);
        }

        if (digits.Length > MaxDigits)
        {
            throw ServiceError.Invalid("Attempting to store more than 38 significant digits in a Number");
        }

        if (exponent is > 126 or < -129)
        {
            throw ServiceError.Invalid("Number overflow or underflow: the magnitude is outside the supported range");
        }

        return new(negative, digits.ToString(), exponent);
    }
}
