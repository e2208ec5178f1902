using System.Globalization;
using System.Text.RegularExpressions;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Texts of DATE, DATETIME, TIMESTAMP and TIME columns as the server stores them in the session of the store: strict, zero dates taken.</summary>
internal static partial class TemporalText
{
    private const int MostFractionalDigits = 7;

    private static readonly TimeSpan MostDuration = new(838, 59, 59);
    private static readonly DateTime FirstTimestamp = DateTime.UnixEpoch.AddSeconds(1);
    private static readonly DateTime BehindTimestamps = new(2038, 1, 19, 3, 14, 8);

    public static string Date(object value)
    {
        switch (value)
        {
            case DateOnly date:
                return Text(date);
            case DateTime { TimeOfDay.Ticks: 0 } time:
                return Text(DateOnly.FromDateTime(time));
            case DateTime:
                throw new FormatException("it has a time of day");
            default:
                var parts = Parse(StoreValue.Plain(value));
                return parts.Groups["hour"].Success || parts.Groups["zone"].Success ? throw new FormatException("a DATE has neither a time of day nor a time zone") : Checked(parts);
        }
    }

    public static string PointInTime(ColumnSchema column, object value)
    {
        switch (value)
        {
            case DateTimeOffset point:
                return PointInTime(column, column.DataType == "timestamp" ? point.UtcDateTime : throw NoZone());
            case DateTime { Kind: DateTimeKind.Local }:
                throw new FormatException("local time means another point in time on each machine: pass UTC");
            case DateTime exact:
                return PointInTime(column, exact);
            case DateOnly date:
                return PointInTime(column, date.ToDateTime(TimeOnly.MinValue));
        }

        var parts = Parse(StoreValue.Plain(value));
        var ofDay = TimeOfDay(parts);
        if (parts.Groups["zone"].Success && column.DataType != "timestamp")
        {
            throw NoZone();
        }

        if (DateOnly.TryParseExact(parts.Groups["date"].Value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
        {
            return PointInTime(column, day.ToDateTime(TimeOnly.MinValue) + ofDay - Offset(parts.Groups["zone"].Value));
        }

        var rounded = Fit(ofDay.Ticks, column);
        // A date with zero parts has no next second.
        if (rounded > ofDay.Ticks || (column.DataType == "timestamp" && (rounded != 0 || parts.Groups["zone"].Success || parts.Groups["date"].Value != "0000-00-00")))
        {
            throw new FormatException("it is no point in time");
        }

        return $"{Checked(parts)} {TimeSpan.FromTicks(rounded):hh\\:mm\\:ss}{Fraction(rounded, column.FractionalDigits)}";
    }

    public static TimeSpan Time(string text)
    {
        var parts = Length().Match(text);
        if (!parts.Success)
        {
            throw new FormatException("it is no TIME such as -838:59:59.000000");
        }

        var time = new TimeSpan(Number(parts, "hours"), Number(parts, "minutes"), Number(parts, "seconds")) + TimeSpan.FromTicks(Ticks(parts.Groups["fraction"].Value));
        return text.StartsWith('-') ? -time : time;
    }

    public static string Duration(ColumnSchema column, object value)
    {
        var time = value as TimeSpan? ?? Time(StoreValue.Plain(value));
        var ticks = Fit(Math.Abs(time.Ticks), column);
        var whole = TimeSpan.FromTicks(ticks);
        var most = column.CutsFractions ? MostDuration + TimeSpan.FromTicks(TimeSpan.TicksPerSecond - 1) : MostDuration;
        return time.Duration() <= most
            ? string.Create(CultureInfo.InvariantCulture, $"{(time.Ticks < 0 && ticks > 0 ? "-" : "")}{(int)whole.TotalHours:00}:{whole.Minutes:00}:{whole.Seconds:00}{Fraction(ticks, column.FractionalDigits)}")
            : throw new OverflowException("a TIME reaches to 838:59:59");
    }

    private static string PointInTime(ColumnSchema column, DateTime time)
    {
        var rounded = new DateTime(Fit(time.Ticks, column));
        if (column.DataType == "timestamp" && (rounded < (column.CutsFractions ? DateTime.UnixEpoch.AddTicks(1) : FirstTimestamp) || rounded >= BehindTimestamps))
        {
            throw new OverflowException("a TIMESTAMP lies between 1970-01-01 00:00:01 and 2038-01-19 03:14:07 in UTC");
        }

        return rounded.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + Fraction(rounded.Ticks, column.FractionalDigits);
    }

    private static Match Parse(string text) => Point().Match(text) is { Success: true } parts ? parts : throw new FormatException("it is no date such as 2026-01-31 or 2026-01-31 23:59:59.123456");

    /// <summary>A day of the calendar, or one with zero parts, as the server checks them: the year 0000 has no 29 February.</summary>
    private static string Checked(Match parts)
    {
        var (year, month, day) = (Number(parts, "year"), Number(parts, "month"), Number(parts, "day"));
        var most = month is 0 or > 12 ? 31 : year == 0 ? DateTime.DaysInMonth(1, month) : DateTime.DaysInMonth(year, month);
        return month <= 12 && day <= most ? parts.Groups["date"].Value : throw new FormatException("the calendar has no such day");
    }

    private static TimeSpan TimeOfDay(Match parts)
    {
        var (hour, minute, second) = (Number(parts, "hour"), Number(parts, "minute"), Number(parts, "second"));
        return hour < 24 && minute < 60 && second < 60
            ? new TimeSpan(hour, minute, second) + TimeSpan.FromTicks(Ticks(parts.Groups["fraction"].Value))
            : throw new FormatException("a day has no such time");
    }

    private static TimeSpan Offset(string zone) => zone is "" or "Z" ? TimeSpan.Zero
        : TimeSpan.ParseExact(zone[1..], "hh\\:mm", CultureInfo.InvariantCulture) * (zone[0] == '-' ? -1 : 1);

    private static long Ticks(string fraction) => long.Parse(fraction.PadRight(MostFractionalDigits, '0'), CultureInfo.InvariantCulture);

    private static int Number(Match parts, string name) => parts.Groups[name] is { Success: true, Value: var digits } ? int.Parse(digits, CultureInfo.InvariantCulture) : 0;

    /// <summary>MySQL rounds, MariaDB cuts.</summary>
    private static long Fit(long ticks, ColumnSchema column)
    {
        var unit = (long)Math.Pow(10, MostFractionalDigits - column.FractionalDigits);
        return (ticks + (column.CutsFractions ? 0 : unit / 2)) / unit * unit;
    }

    private static string Fraction(long ticks, int digits) => digits == 0 ? "" : "." + (ticks % TimeSpan.TicksPerSecond).ToString("0000000", CultureInfo.InvariantCulture)[..digits];

    private static string Text(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static FormatException NoZone() => new("a DATETIME has no time zone");

    [GeneratedRegex("^(?<date>(?<year>[0-9]{4})-(?<month>[0-9]{2})-(?<day>[0-9]{2}))([ T](?<hour>[0-9]{2}):(?<minute>[0-9]{2})(:(?<second>[0-9]{2})(\\.(?<fraction>[0-9]{1,7}))?)?)?(?<zone>Z|[+-][0-9]{2}:[0-9]{2})?\\z")]
    private static partial Regex Point();

    [GeneratedRegex("^-?(?<hours>[0-9]{1,3}):(?<minutes>[0-5][0-9]):(?<seconds>[0-5][0-9])(\\.(?<fraction>[0-9]{1,7}))?\\z")]
    private static partial Regex Length();
}
