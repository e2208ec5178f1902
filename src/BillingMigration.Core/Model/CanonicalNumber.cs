using System.Buffers.Text;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace BillingMigration.Model;

/// <summary>
/// The one text of a number: plain notation, no plus sign, no leading zeros, no trailing zeros after the point, no negative zero.
/// DynamoDB returns numbers normalised in its own way; both sides are brought to this one.
/// </summary>
public static class CanonicalNumber
{
    /// <summary>Longest canonical text of a number that DynamoDB holds: sign, <c>0.</c>, 130 decimals and 38 digits.</summary>
    public const int MaxLength = 176;

    public enum Verdict
    {
        Ok,

        /// <summary>Not a number.</summary>
        Malformed,

        /// <summary>More than 38 significant digits.</summary>
        TooManyDigits,

        /// <summary>Magnitude outside 1E-130 to 9.9…E+125.</summary>
        OutOfRange,

        /// <summary>A float's <c>-0</c>, which DynamoDB cannot tell from 0.</summary>
        NegativeZero,
    }

    /// <summary>Normalises the text of an integer or decimal, with or without exponent.</summary>
    /// <param name="text">For example <c>-0012.3400</c> or <c>1.5E+10</c>.</param>
    /// <param name="destination">At least <see cref="MaxLength"/> bytes.</param>
    /// <param name="length">Bytes written.</param>
    [MethodImpl(HotPath.Optimized)]
    public static Verdict Normalize(ReadOnlySpan<byte> text, Span<byte> destination, out int length)
    {
        length = 0;
        var at = 0;
        var negative = false;
        if (text.Length > 0 && text[0] is (byte)'-' or (byte)'+')
        {
            negative = text[0] == (byte)'-';
            at = 1;
        }

        Span<byte> digits = stackalloc byte[AttributeForms.MaxNumberDigits];
        var count = 0;
        var pendingZeros = 0;
        var pointShift = 0;
        var seenPoint = false;
        var seenDigit = false;
        for (; at < text.Length; at++)
        {
            var c = text[at];
            if (c == (byte)'.' && !seenPoint)
            {
                seenPoint = true;
                continue;
            }

            if (c is < (byte)'0' or > (byte)'9')
            {
                break;
            }

            seenDigit = true;
            pointShift += seenPoint ? 1 : 0;
            if (c == (byte)'0')
            {
                pendingZeros += count > 0 ? 1 : 0;
                continue;
            }

            if (count + pendingZeros >= AttributeForms.MaxNumberDigits)
            {
                return Verdict.TooManyDigits;
            }

            digits.Slice(count, pendingZeros).Fill((byte)'0');
            count += pendingZeros;
            pendingZeros = 0;
            digits[count++] = c;
        }

        var exponent = 0;
        if (!seenDigit || (at < text.Length && !TryExponent(text[at..], out exponent)))
        {
            return Verdict.Malformed;
        }

        if (count == 0)
        {
            destination[0] = (byte)'0';
            length = 1;
            return Verdict.Ok;
        }

        // value = digits * 10^scale
        var scale = exponent - pointShift + pendingZeros;
        var magnitude = count + scale - 1;
        if (magnitude is < -130 or > 125)
        {
            return Verdict.OutOfRange;
        }

        length = WritePlain(digits[..count], scale, negative, destination);
        return Verdict.Ok;
    }

    /// <summary>The canonical text of a DOUBLE or FLOAT given as MySQL prints it.</summary>
    /// <param name="single">True for FLOAT: the shortest digits of the 4-byte value.</param>
    public static Verdict NormalizeFloat(ReadOnlySpan<byte> text, bool single, Span<byte> destination, out int length)
    {
        length = 0;
        if (!Utf8Parser.TryParse(text, out double value, out var consumed) || consumed != text.Length || !double.IsFinite(value))
        {
            return Verdict.Malformed;
        }

        Span<byte> shortest = stackalloc byte[40];
        int written;
        if (single)
        {
            ((float)value).TryFormat(shortest, out written, "R", CultureInfo.InvariantCulture);
        }
        else
        {
            value.TryFormat(shortest, out written, "R", CultureInfo.InvariantCulture);
        }

        return value == 0 && double.IsNegative(value) ? Verdict.NegativeZero : Normalize(shortest[..written], destination, out length);
    }

    private static bool TryExponent(ReadOnlySpan<byte> text, out int exponent)
    {
        exponent = 0;
        if (text[0] is not ((byte)'e' or (byte)'E') || text.Length < 2)
        {
            return false;
        }

        var number = text[1] == (byte)'+' ? text[2..] : text[1..];
        return Utf8Parser.TryParse(number, out exponent, out var consumed) && consumed == number.Length && Math.Abs(exponent) < 10_000;
    }

    [MethodImpl(HotPath.Optimized)]
    private static int WritePlain(ReadOnlySpan<byte> digits, int scale, bool negative, Span<byte> destination)
    {
        var at = 0;
        if (negative)
        {
            destination[at++] = (byte)'-';
        }

        var whole = digits.Length + scale;
        if (whole <= 0)
        {
            destination[at++] = (byte)'0';
            destination[at++] = (byte)'.';
            destination.Slice(at, -whole).Fill((byte)'0');
            at += -whole;
            digits.CopyTo(destination[at..]);
            return at + digits.Length;
        }

        var integerDigits = Math.Min(whole, digits.Length);
        digits[..integerDigits].CopyTo(destination[at..]);
        at += integerDigits;
        if (scale >= 0)
        {
            destination.Slice(at, scale).Fill((byte)'0');
            return at + scale;
        }

        destination[at++] = (byte)'.';
        digits[integerDigits..].CopyTo(destination[at..]);
        return at + digits.Length - integerDigits;
    }
}
