namespace BillingMigration.Source.Binlog;

/// <summary>
/// Points in time with a fraction in MariaDB's own formats from before 10.1 (<c>mysql56_temporal_format=OFF</c>; <c>/* mariadb-5.3 */</c> in a column's type):
/// one number in big-endian order, counted in the column's smallest unit. Their width is not in the binlog.
/// </summary>
internal static class HiresTime
{
    private const ulong MicrosecondsPerSecond = 1_000_000;
    private static readonly int[] TimeBytes = [3, 4, 4, 5, 5, 5, 6];
    private static readonly int[] DateTimeBytes = [8, 6, 6, 7, 7, 7, 8];
    private static readonly ulong[] Units = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

    public static int TimeLength(int digits) => TimeBytes[Checked(digits)];

    public static int DateTimeLength(int digits) => DateTimeBytes[Checked(digits)];

    public static int FractionLength(int digits) => TimeText.FractionBytes(Checked(digits));

    /// <summary>Microseconds of so many of the column's units.</summary>
    public static ulong Microseconds(ulong units, int digits) => units * Units[digits];

    /// <summary>Whole seconds and microseconds within one.</summary>
    public static (ulong Seconds, int Microseconds) Split(ulong microseconds) => (microseconds / MicrosecondsPerSecond, (int)(microseconds % MicrosecondsPerSecond));

    private static int Checked(int digits) => digits is >= 1 and <= 6 ? digits : throw EventErrors.Unreadable($"a time has {digits} fractional digits");
}

internal sealed class HiresTimeDecoder(int digits) : FixedDecoder(HiresTime.TimeLength(digits))
{
    /// <summary>One second beyond the largest TIME: what zero is stored as.</summary>
    private const ulong ZeroSeconds = (838 * 3600) + (59 * 60) + 59 + 1;

    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var stored = (long)HiresTime.Microseconds(BigEndian(value), digits) - (long)(ZeroSeconds * 1_000_000);
        var (seconds, microseconds) = HiresTime.Split((ulong)Math.Abs(stored));
        if (seconds >= ZeroSeconds)
        {
            throw EventErrors.Unreadable("a TIME is beyond 838:59:59");
        }

        var whole = (int)seconds;
        var used = TimeText.Duration(stored < 0, whole / 3600, whole / 60 % 60, whole % 60, text);
        return used + TimeText.Fraction(microseconds, digits, text[used..]);
    }
}

internal sealed class HiresDateTimeDecoder(int digits) : FixedDecoder(HiresTime.DateTimeLength(digits))
{
    private const ulong MostSeconds = ((((((9999UL * 13) + 12) * 32) + 31) * 24 * 3600) + (24 * 3600)) - 1;

    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var stored = BigEndian(value);
        var (seconds, microseconds) = stored <= MostSeconds * 1_000_000 ? HiresTime.Split(HiresTime.Microseconds(stored, digits)) : (ulong.MaxValue, 0);
        if (seconds > MostSeconds)
        {
            throw EventErrors.Unreadable("a DATETIME is beyond the year 9999");
        }

        var (days, time) = (seconds / 86_400, (int)(seconds % 86_400));
        var months = (int)(days / 32);
        var used = TimeText.Date(months / 13, months % 13, (int)(days % 32), text);
        used += TimeText.TimeOfDay(time / 3600, time / 60 % 60, time % 60, text[used..]);
        return used + TimeText.Fraction(microseconds, digits, text[used..]);
    }
}

internal sealed class HiresTimestampDecoder(int digits) : FixedDecoder(4 + HiresTime.FractionLength(digits))
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var microseconds = HiresTime.Microseconds(BigEndian(value[4..]), digits) is < 1_000_000 and var fraction
            ? (int)fraction
            : throw EventErrors.Unreadable("a TIMESTAMP has an impossible fraction");
        var used = TimeText.Timestamp((uint)BigEndian(value[..4]), microseconds, text);
        return used + TimeText.Fraction(microseconds, digits, text[used..]);
    }
}
