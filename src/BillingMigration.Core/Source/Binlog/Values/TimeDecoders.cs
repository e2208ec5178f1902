using System.Buffers.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>Writes points in time and durations as the servers print them.</summary>
internal static class TimeText
{
    public static int Date(int year, int month, int day, Span<byte> text)
    {
        Digits(year, 4, text);
        text[4] = (byte)'-';
        Digits(month, 2, text[5..]);
        text[7] = (byte)'-';
        Digits(day, 2, text[8..]);
        return 10;
    }

    /// <summary>Behind a date: <c> 23:59:59.123456</c>.</summary>
    public static int TimeOfDay(int hour, int minute, int second, Span<byte> text)
    {
        text[0] = (byte)' ';
        Digits(hour, 2, text[1..]);
        text[3] = (byte)':';
        Digits(minute, 2, text[4..]);
        text[6] = (byte)':';
        Digits(second, 2, text[7..]);
        return 9;
    }

    public static int Duration(bool negative, int hours, int minutes, int seconds, Span<byte> text)
    {
        var used = 0;
        if (negative)
        {
            text[used++] = (byte)'-';
        }

        Utf8Formatter.TryFormat(hours, text[used..], out var written, new System.Buffers.StandardFormat('D', 2));
        used += written;
        text[used++] = (byte)':';
        Digits(minutes, 2, text[used..]);
        text[used + 2] = (byte)':';
        Digits(seconds, 2, text[(used + 3)..]);
        return used + 5;
    }

    /// <param name="digits">0 to 6; with 0 nothing is written.</param>
    public static int Fraction(int microseconds, int digits, Span<byte> text)
    {
        if (digits == 0)
        {
            return 0;
        }

        text[0] = (byte)'.';
        Span<byte> six = stackalloc byte[6];
        Digits(microseconds, 6, six);
        six[..digits].CopyTo(text[1..]);
        return digits + 1;
    }

    /// <summary>Seconds since 1970 in UTC. Zero is the zero date, but not with a fraction: MariaDB has the first second of 1970 too.</summary>
    public static int Timestamp(uint seconds, int microseconds, Span<byte> text)
    {
        if (seconds == 0 && microseconds == 0)
        {
            return Date(0, 0, 0, text) + TimeOfDay(0, 0, 0, text[10..]);
        }

        var time = DateTime.UnixEpoch.AddSeconds(seconds);
        return Date(time.Year, time.Month, time.Day, text) + TimeOfDay(time.Hour, time.Minute, time.Second, text[10..]);
    }

    /// <summary>Bytes that so many fractional digits take.</summary>
    public static int FractionBytes(int digits) => digits is >= 0 and <= 6 ? (digits + 1) / 2 : throw EventErrors.Unreadable($"a time has {digits} fractional digits");

    /// <summary>Microseconds from a stored fraction: hundredths, ten-thousandths or millionths.</summary>
    public static int Microseconds(ulong fraction, int digits)
    {
        var value = FractionBytes(digits) switch { 0 => 0UL, 1 => fraction * 10_000, 2 => fraction * 100, _ => fraction };
        return value < 1_000_000 ? (int)value : throw EventErrors.Unreadable("a time has an impossible fraction");
    }

    private static void Digits(int value, int count, Span<byte> text)
    {
        for (var i = count - 1; i >= 0; i--)
        {
            text[i] = (byte)('0' + (value % 10));
            value /= 10;
        }
    }
}

internal sealed class DateDecoder() : FixedDecoder(3)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var date = (int)LittleEndian(value);
        return TimeText.Date(date >> 9, (date >> 5) & 15, date & 31, text);
    }
}

/// <summary>DATETIME with fractional digits since MySQL 5.6.</summary>
internal sealed class DateTime2Decoder(int digits) : FixedDecoder(5 + TimeText.FractionBytes(digits))
{
    private const ulong Zero = 0x80_0000_0000;

    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var packed = BigEndian(value[..5]);
        if (packed < Zero)
        {
            throw EventErrors.Unreadable("a DATETIME is negative");
        }

        packed -= Zero;
        var (date, time) = ((int)(packed >> 17), (int)(packed & 0x1FFFF));
        var months = date >> 5;
        var used = TimeText.Date(months / 13, months % 13, date & 31, text);
        used += TimeText.TimeOfDay(time >> 12, (time >> 6) & 63, time & 63, text[used..]);
        return used + TimeText.Fraction(TimeText.Microseconds(BigEndian(value[5..]), digits), digits, text[used..]);
    }
}

internal sealed class Timestamp2Decoder(int digits) : FixedDecoder(4 + TimeText.FractionBytes(digits))
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var microseconds = TimeText.Microseconds(BigEndian(value[4..]), digits);
        var used = TimeText.Timestamp((uint)BigEndian(value[..4]), microseconds, text);
        return used + TimeText.Fraction(microseconds, digits, text[used..]);
    }
}

/// <summary>TIME with fractional digits since MySQL 5.6: an offset number with the fraction below it.</summary>
internal sealed class Time2Decoder(int digits) : FixedDecoder(3 + TimeText.FractionBytes(digits))
{
    private readonly int fractionBits = 8 * TimeText.FractionBytes(digits);

    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        // Below zero the whole number, fraction included, is the distance from zero.
        var packed = (long)BigEndian(value) - (0x80_0000L << fractionBits);
        var (negative, size) = (packed < 0, (ulong)Math.Abs(packed));
        var time = (int)(size >> fractionBits);
        var used = TimeText.Duration(negative, (time >> 12) & 1023, (time >> 6) & 63, time & 63, text);
        return used + TimeText.Fraction(TimeText.Microseconds(size & ((1UL << fractionBits) - 1), digits), digits, text[used..]);
    }
}

/// <summary>TIME of tables from before MySQL 5.6: <c>HHMMSS</c> as a number.</summary>
internal sealed class OldTimeDecoder() : FixedDecoder(3)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var number = (int)((uint)LittleEndian(value) << 8) >> 8;
        var size = Math.Abs(number);
        return TimeText.Duration(number < 0, size / 10_000, size / 100 % 100, size % 100, text);
    }
}

/// <summary>DATETIME of tables from before MySQL 5.6: <c>YYYYMMDDhhmmss</c> as a number.</summary>
internal sealed class OldDateTimeDecoder() : FixedDecoder(8)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var number = LittleEndian(value);
        if (number > 99_991_231_235_959)
        {
            throw EventErrors.Unreadable("a DATETIME is beyond the year 9999");
        }

        var (date, time) = ((int)(number / 1_000_000), (int)(number % 1_000_000));
        var used = TimeText.Date(date / 10_000, date / 100 % 100, date % 100, text);
        return used + TimeText.TimeOfDay(time / 10_000, time / 100 % 100, time % 100, text[used..]);
    }
}

internal sealed class OldTimestampDecoder() : FixedDecoder(4)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text) => TimeText.Timestamp((uint)LittleEndian(value), 0, text);
}
