using System.Buffers.Text;
using System.Runtime.CompilerServices;

namespace BillingMigration.Model;

/// <summary>Why a row cannot be an item.</summary>
/// <param name="ReasonId">Stable identifier: <c>ItemTooLarge</c>, <c>NumberTooManyDigits</c> …</param>
/// <param name="Reason">Half a sentence; never holds a value.</param>
public readonly record struct RowRefusal(string ReasonId, string Reason);

/// <summary>Turns the source's text of a number or a point in time into the attribute's.</summary>
internal static class CanonicalValue
{
    /// <summary>The canonical bytes of a value of any form.</summary>
    /// <param name="length">Bytes in <paramref name="destination"/>; -1 when the value is canonical as it is.</param>
    public static RowRefusal? Of(AttributeForm form, ReadOnlySpan<byte> value, Span<byte> destination, out int length)
    {
        length = -1;
        switch (form)
        {
            case AttributeForm.Text:
                return System.Text.Unicode.Utf8.IsValid(value) ? null : InvalidText();
            case AttributeForm.Binary or AttributeForm.Time or AttributeForm.NumberText:
                return null;
            case AttributeForm.SingleText or AttributeForm.DoubleText:
                return WriteFloatText(form, value, destination, out length);
            default:
                return Write(form, value, destination, out length);
        }
    }

    public static RowRefusal InvalidText() => new("TextInvalid", "it has a text that is not valid UTF-8");

    /// <summary>Writes the canonical text of a value of a numeric or temporal form.</summary>
    /// <param name="destination">At least <see cref="CanonicalNumber.MaxLength"/> bytes.</param>
    /// <returns>Null, or why the value has none.</returns>
    [MethodImpl(HotPath.Optimized)]
    public static RowRefusal? Write(AttributeForm form, ReadOnlySpan<byte> value, Span<byte> destination, out int length)
    {
        switch (form)
        {
            case AttributeForm.Integer:
                return TryInteger(value, destination, out length) ? null : Malformed(form);
            case AttributeForm.Decimal:
                return Explain(CanonicalNumber.Normalize(value, destination, out length), form);
            case AttributeForm.Single:
            case AttributeForm.Double:
                return Explain(CanonicalNumber.NormalizeFloat(value, form == AttributeForm.Single, destination, out length), form);
            case AttributeForm.Date:
            case AttributeForm.DateTime:
            case AttributeForm.Timestamp:
                return TryTemporal(form, value, destination, out length) ? null : Malformed(form);
            default:
                throw new ArgumentOutOfRangeException(nameof(form), form, "not a numeric or temporal form");
        }
    }

    /// <summary>The text of a FLOAT or DOUBLE that stands as a string: the shortest that reads back as the same value.</summary>
    public static RowRefusal? WriteFloatText(AttributeForm form, ReadOnlySpan<byte> value, Span<byte> destination, out int length)
    {
        length = 0;
        if (!Utf8Parser.TryParse(value, out double number, out var consumed) || consumed != value.Length)
        {
            return Malformed(form);
        }

        return (form == AttributeForm.SingleText
            ? ((float)number).TryFormat(destination, out length, "R", System.Globalization.CultureInfo.InvariantCulture)
            : number.TryFormat(destination, out length, "R", System.Globalization.CultureInfo.InvariantCulture)) ? null : Malformed(form);
    }

    [MethodImpl(HotPath.Optimized)]
    private static bool TryInteger(ReadOnlySpan<byte> value, Span<byte> destination, out int length)
    {
        length = 0;
        var negative = value.Length > 0 && value[0] == (byte)'-';
        var digits = negative ? value[1..] : value;
        if (digits.Length is 0 or > 65 || digits.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)
        {
            return false;
        }

        // ZEROFILL and YEAR print leading zeros.
        var start = digits.IndexOfAnyExcept((byte)'0');
        digits = start < 0 ? "0"u8 : digits[start..];
        if (negative && start >= 0)
        {
            destination[length++] = (byte)'-';
        }

        digits.CopyTo(destination[length..]);
        length += digits.Length;
        return true;
    }

    [MethodImpl(HotPath.Optimized)]
    private static bool TryTemporal(AttributeForm form, ReadOnlySpan<byte> value, Span<byte> destination, out int length)
    {
        length = value.Length;
        if (value.Length is < 10 or > 26 || value[4] != (byte)'-' || value[7] != (byte)'-')
        {
            return false;
        }

        value.CopyTo(destination);
        if (form == AttributeForm.Date)
        {
            return value.Length == 10;
        }

        if (value.Length < 19 || value[10] != (byte)' ')
        {
            return false;
        }

        destination[10] = (byte)'T';
        if (form == AttributeForm.Timestamp)
        {
            destination[length++] = (byte)'Z';
        }

        return true;
    }

    private static RowRefusal? Explain(CanonicalNumber.Verdict verdict, AttributeForm form) => verdict switch
    {
        CanonicalNumber.Verdict.Ok => null,
        CanonicalNumber.Verdict.TooManyDigits => new RowRefusal("NumberTooManyDigits", "it has a number of more than 38 significant digits, DynamoDB's limit; give the column \"type\": \"S\" to keep it as text"),
        CanonicalNumber.Verdict.OutOfRange => new RowRefusal("NumberOutOfRange", "it has a number outside DynamoDB's range of 1E-130 to 9.9E+125; give the column \"type\": \"S\" to keep it as text"),
        CanonicalNumber.Verdict.NegativeZero => new RowRefusal("NumberNegativeZero", "it has a negative zero, which DynamoDB does not tell from zero; give the column \"type\": \"S\" to keep it as text"),
        _ => Malformed(form),
    };

    private static RowRefusal Malformed(AttributeForm form) => new("ValueMalformed", $"the source returned a text that is no {form} value");
}
