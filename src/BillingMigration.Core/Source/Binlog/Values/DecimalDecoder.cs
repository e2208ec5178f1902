using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// DECIMAL: groups of nine digits in four bytes, big-endian, the sign in the first bit, all bits inverted when negative (<c>decimal2bin</c> in
/// strings/decimal.cc).
/// </summary>
internal sealed class DecimalDecoder : FixedDecoder
{
    private const int DigitsPerGroup = 9;

    // Columns have 65; numbers in JSON may have a zero before the point besides, and the server computes with nine groups.
    private const int MostDigits = 81;

    private static readonly int[] BytesOfDigits = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
    private static readonly uint[] Limits = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

    private readonly int firstDigits;
    private readonly int integerGroups;
    private readonly int scale;
    private readonly int fractionGroups;
    private readonly int lastDigits;
    private readonly int length;

    public DecimalDecoder(int precision, int scale)
        : base(Length(precision, scale))
    {
        var integer = precision - scale;
        (integerGroups, firstDigits) = Math.DivRem(integer, DigitsPerGroup);
        (fractionGroups, lastDigits) = Math.DivRem(scale, DigitsPerGroup);
        this.scale = scale;
        length = Length(precision, scale);
    }

    /// <summary>Bytes of a value.</summary>
    public static int Length(int precision, int scale) => precision is >= 1 and <= MostDigits && scale >= 0 && scale <= Math.Min(38, precision)
        ? ((precision - scale) / DigitsPerGroup * 4) + BytesOfDigits[(precision - scale) % DigitsPerGroup] + (scale / DigitsPerGroup * 4) + BytesOfDigits[scale % DigitsPerGroup]
        : throw EventErrors.Unreadable($"a DECIMAL has {precision} digits, {scale} of them decimals");

    /// <summary>The same for a DECIMAL that stands elsewhere.</summary>
    public int ToText(ReadOnlySpan<byte> value, Span<byte> text) => Write(Take(value, 0, length), text);

    [System.Runtime.CompilerServices.MethodImpl(HotPath.Optimized)]
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var negative = (value[0] & 0x80) == 0;
        var mask = negative ? 0xFFu : 0u;
        var at = 0;
        var used = 0;
        if (negative)
        {
            text[used++] = (byte)'-';
        }

        // Leading zeros are not printed.
        var started = false;
        for (var group = firstDigits > 0 ? -1 : 0; group < integerGroups; group++)
        {
            var digits = group < 0 ? firstDigits : DigitsPerGroup;
            var number = Group(value, ref at, digits, mask);
            if (started)
            {
                Write(number, digits, text, ref used);
            }
            else if (number > 0)
            {
                Write(number, Digits(number), text, ref used);
                started = true;
            }
        }

        if (!started)
        {
            text[used++] = (byte)'0';
        }

        if (scale > 0)
        {
            text[used++] = (byte)'.';
            for (var group = 0; group < fractionGroups; group++)
            {
                Write(Group(value, ref at, DigitsPerGroup, mask), DigitsPerGroup, text, ref used);
            }

            if (lastDigits > 0)
            {
                Write(Group(value, ref at, lastDigits, mask), lastDigits, text, ref used);
            }
        }

        return used;
    }

    private static uint Group(ReadOnlySpan<byte> value, ref int at, int digits, uint mask)
    {
        var number = 0u;
        var first = at == 0;
        for (var end = at + BytesOfDigits[digits]; at < end; at++)
        {
            // The sign bit of the first byte is not part of its number.
            number = (number << 8) | ((first ? value[at] ^ 0x80u : value[at]) ^ mask);
            first = false;
        }

        return number < Limits[digits] ? number : throw EventErrors.Unreadable("a DECIMAL has an impossible digit");
    }

    private static int Digits(uint number)
    {
        var digits = 1;
        while (digits < DigitsPerGroup && number >= Limits[digits])
        {
            digits++;
        }

        return digits;
    }

    private static void Write(uint number, int digits, Span<byte> text, ref int used)
    {
        for (var i = used + digits - 1; i >= used; i--)
        {
            var tenth = number / 10;
            text[i] = (byte)('0' + (number - (tenth * 10)));
            number = tenth;
        }

        used += digits;
    }
}
