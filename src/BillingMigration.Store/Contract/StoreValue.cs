using System.Globalization;
using System.Numerics;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Values of .NET and the canonical texts of columns. A text that is made here is the one that the source would return for the row, in strict mode.</summary>
internal static class StoreValue
{
    private const string DateFormat = "yyyy-MM-dd";
    private const string SecondFormat = "yyyy-MM-dd HH:mm:ss";

    public static object ToObject(ColumnSchema column, ReadOnlySpan<byte> text)
    {
        if (AttributeForms.For(column, null) == AttributeForm.Binary)
        {
            return text.ToArray();
        }

        var value = Encoding.UTF8.GetString(text);
        switch (column.DataType)
        {
            case "bigint" or "bit" when column.Unsigned || column.DataType == "bit":
                return ulong.Parse(value, CultureInfo.InvariantCulture);
            case "tinyint" or "smallint" or "mediumint" or "int" or "bigint" or "year":
                return long.Parse(value, CultureInfo.InvariantCulture);
            case "decimal" or "numeric":
                return value.Count(char.IsAsciiDigit) <= 28 ? decimal.Parse(value, NumberStyles.Number, CultureInfo.InvariantCulture) : value;
            case "float":
                return float.Parse(value, CultureInfo.InvariantCulture);
            case "double" or "real":
                return double.Parse(value, CultureInfo.InvariantCulture);
            case "date":
                return DateOnly.TryParseExact(value, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) ? date : value;
            case "datetime" or "timestamp":
                return DateTime.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
                    ? DateTime.SpecifyKind(time, column.DataType == "timestamp" ? DateTimeKind.Utc : DateTimeKind.Unspecified)
                    : value;
            case "time":
                return Time(value);
            default:
                return value;
        }
    }

    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>; the message does not hold the value of a sensitive column.</exception>
    public static byte[] ToText(EntityModel model, int index, object value)
    {
        var column = model.Row[index].Column;
        try
        {
            return AttributeForms.For(column, null) == AttributeForm.Binary ? Bytes(column, value) : Encoding.UTF8.GetBytes(Text(column, value));
        }
        catch (Exception e) when (e is FormatException or OverflowException or InvalidCastException or ArgumentException)
        {
            var shown = model.Attributes.Any(a => a.RowIndex == index && a.Sensitive) ? "The value (not shown, the column is sensitive)" : $"'{value}'";
            throw new StoreException(
                StoreError.ValueInvalid, column.Name, $"{shown} does not fit {model.Entity}.{column.Name}, which is {column.ColumnType}: {e.Message.TrimEnd('.')}.");
        }
    }

    private static string Text(ColumnSchema column, object value) => column.DataType switch
    {
        "tinyint" or "smallint" or "mediumint" or "int" or "bigint" or "year" or "bit" => Integer(column, value),
        "decimal" or "numeric" => Decimal(column, value),
        "float" => Finite(Convert.ToSingle(value, CultureInfo.InvariantCulture)).ToString("R", CultureInfo.InvariantCulture),
        "double" or "real" => Finite(Convert.ToDouble(value, CultureInfo.InvariantCulture)).ToString("R", CultureInfo.InvariantCulture),
        "date" => Date(value).ToString(DateFormat, CultureInfo.InvariantCulture),
        "datetime" or "timestamp" => PointInTime(column, value),
        "time" => Duration(column, value),
        "enum" => column.Members.FirstOrDefault(m => m.Equals(Plain(value), StringComparison.OrdinalIgnoreCase)) ?? throw new FormatException($"it is none of {string.Join(", ", column.Members)}"),
        "set" => Set(column, value),
        "json" => JsonNormal.Of(Plain(value)),
        _ => Characters(column, Plain(value)),
    };

    private static string Plain(object value) => value as string ?? Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    private static string Integer(ColumnSchema column, object value)
    {
        var number = value switch
        {
            bool flag => flag ? BigInteger.One : BigInteger.Zero,
            string text => BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
            decimal or double or float => Round(Convert.ToDecimal(value, CultureInfo.InvariantCulture)),
            _ => BigInteger.Parse(Convert.ToString(value, CultureInfo.InvariantCulture)!, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
        };
        var bits = column.DataType switch { "tinyint" => 8, "smallint" => 16, "mediumint" => 24, "int" => 32, "bit" => column.Precision, _ => 64 };
        var (least, most) = column.DataType == "year" ? (1901, 2155)
            : column.Unsigned || column.DataType == "bit" ? (BigInteger.Zero, BigInteger.Pow(2, bits) - 1)
            : (-BigInteger.Pow(2, bits - 1), BigInteger.Pow(2, bits - 1) - 1);
        return number >= least && number <= most ? number.ToString(CultureInfo.InvariantCulture) : throw new OverflowException($"its range is {least} to {most}");

        static BigInteger Round(decimal exact) => new(Math.Round(exact, MidpointRounding.AwayFromZero));
    }

    /// <summary>Digits beyond the column's decimals are rounded away from zero at the half, as the server does.</summary>
    private static string Decimal(ColumnSchema column, object value)
    {
        var text = value is double or float ? Convert.ToDecimal(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture) : Plain(value);
        var scaled = ExactNumber.Parse(text, column.Scale);
        if (column.Unsigned && scaled.Sign < 0)
        {
            throw new OverflowException("it takes no negative numbers");
        }

        return BigInteger.Abs(scaled) < BigInteger.Pow(10, column.Precision)
            ? ExactNumber.Text(scaled, column.Scale)
            : throw new OverflowException($"it holds {column.Precision - column.Scale} digits before the point");
    }

    private static T Finite<T>(T value)
        where T : IFloatingPointIeee754<T> => T.IsFinite(value) ? value : throw new OverflowException("it is no finite number");

    private static DateOnly Date(object value) => value switch
    {
        DateOnly date => date,
        DateTime { TimeOfDay.Ticks: 0 } time => DateOnly.FromDateTime(time),
        DateTime => throw new FormatException("it has a time of day"),
        _ => DateOnly.ParseExact(Plain(value), DateFormat, CultureInfo.InvariantCulture),
    };

    private static string PointInTime(ColumnSchema column, object value)
    {
        var time = value switch
        {
            DateTimeOffset point => column.DataType == "timestamp" ? point.UtcDateTime : throw new FormatException("a DATETIME has no time zone"),
            DateTime { Kind: DateTimeKind.Local } => throw new FormatException("local time means another point in time on each machine: pass UTC"),
            DateTime exact => exact,
            DateOnly date => date.ToDateTime(TimeOnly.MinValue),
            _ => DateTime.Parse(Plain(value).TrimEnd('Z'), CultureInfo.InvariantCulture, DateTimeStyles.None),
        };
        if (column.DataType == "timestamp" && (time < DateTime.UnixEpoch.AddSeconds(1) || time >= new DateTime(2038, 1, 19, 3, 14, 8)))
        {
            throw new OverflowException("a TIMESTAMP lies between 1970 and 2038");
        }

        var unit = (long)Math.Pow(10, 7 - column.FractionalDigits);
        var rounded = new DateTime((time.Ticks + (unit / 2)) / unit * unit);
        return rounded.ToString(column.FractionalDigits == 0 ? SecondFormat : $"{SecondFormat}.{new string('f', column.FractionalDigits)}", CultureInfo.InvariantCulture);
    }

    private static TimeSpan Time(string text)
    {
        var negative = text.StartsWith('-');
        var parts = text.TrimStart('-').Split(':');
        var time = new TimeSpan(int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture), 0)
            + TimeSpan.FromTicks((long)(decimal.Parse(parts[2], CultureInfo.InvariantCulture) * TimeSpan.TicksPerSecond));
        return negative ? -time : time;
    }

    private static string Duration(ColumnSchema column, object value)
    {
        var time = value as TimeSpan? ?? Time(Plain(value));
        var unit = (long)Math.Pow(10, 7 - column.FractionalDigits);
        var ticks = (Math.Abs(time.Ticks) + (unit / 2)) / unit * unit;
        var whole = TimeSpan.FromTicks(ticks);
        if (whole > new TimeSpan(838, 59, 59))
        {
            throw new OverflowException("a TIME reaches to 838:59:59");
        }

        var fraction = column.FractionalDigits == 0 ? "" : "." + (ticks % TimeSpan.TicksPerSecond / unit).ToString(CultureInfo.InvariantCulture).PadLeft(column.FractionalDigits, '0');
        return string.Create(CultureInfo.InvariantCulture, $"{(time.Ticks < 0 && ticks > 0 ? "-" : "")}{(int)whole.TotalHours:00}:{whole.Minutes:00}:{whole.Seconds:00}{fraction}");
    }

    private static string Set(ColumnSchema column, object value)
    {
        var chosen = (value as IEnumerable<string> ?? Plain(value).Split(',', StringSplitOptions.RemoveEmptyEntries)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var members = column.Members.Where(chosen.Remove).ToArray();
        return chosen.Count == 0 ? string.Join(',', members) : throw new FormatException($"'{chosen.First()}' is none of {string.Join(", ", column.Members)}");
    }

    private static string Characters(ColumnSchema column, string value)
    {
        // What a CHAR is padded with is not kept.
        var text = column.DataType == "char" ? value.TrimEnd(' ') : value;
        if (column.MaxLength is { } most && text.EnumerateRunes().Count() > most)
        {
            throw new FormatException($"it has {text.EnumerateRunes().Count()} characters, and {most} are the most");
        }

        foreach (var rune in text.EnumerateRunes())
        {
            var fits = column.CharacterSet switch
            {
                "ascii" => rune.IsAscii,
                "latin1" => rune.Value < 0x100,
                "utf8mb3" or "utf8" or "ucs2" => rune.IsBmp,
                _ => true,
            };
            if (!fits || (rune == Rune.ReplacementChar && !value.Contains('\uFFFD', StringComparison.Ordinal)))
            {
                throw new FormatException($"the character set {column.CharacterSet} does not have U+{rune.Value:X4}");
            }
        }

        return text;
    }

    private static byte[] Bytes(ColumnSchema column, object value)
    {
        var bytes = value switch
        {
            byte[] array => array,
            ReadOnlyMemory<byte> memory => memory.ToArray(),
            string hex => Convert.FromHexString(hex),
            _ => throw new InvalidCastException("it takes bytes"),
        };
        if (column.MaxLength is { } most && bytes.Length > most)
        {
            throw new FormatException($"it has {bytes.Length} bytes, and {most} are the most");
        }

        // BINARY is filled up with zeros.
        return column.DataType == "binary" && column.MaxLength is { } length && bytes.Length < length ? [.. bytes, .. new byte[length - bytes.Length]] : bytes;
    }
}
