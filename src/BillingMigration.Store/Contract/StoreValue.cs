using System.Globalization;
using System.Numerics;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Values of .NET and the canonical texts of columns. A text that is made here is the one that the source would return for the row, in strict mode.</summary>
internal static class StoreValue
{
    /// <summary>Characters of Windows code page 1252, which MySQL calls latin1, between 0x80 and 0x9F.</summary>
    private const string Latin1Extras = "\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D\u008F\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E\u0178";

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
                return DateOnly.TryParseExact(value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) ? date : value;
            case "datetime" or "timestamp":
                return DateTime.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
                    ? DateTime.SpecifyKind(time, column.DataType == "timestamp" ? DateTimeKind.Utc : DateTimeKind.Unspecified)
                    : value;
            case "time":
                return TemporalText.Time(value);
            default:
                return value;
        }
    }

    /// <summary>The text of a value that a column is to have.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>; the message does not hold the value of a sensitive column.</exception>
    public static byte[] ToText(EntityModel model, int index, object value) => Named(model, index, value, Text);

    /// <summary>The text of a value that rows are looked for by: also of one that a column may hold, but that no statement of the store writes.</summary>
    /// <inheritdoc cref="ToText"/>
    public static byte[] ToCondition(EntityModel model, int index, object value) =>
        Named(model, index, value, (column, wanted) => FloatValue.IsNegativeZero(column, wanted) ? "-0" : Text(column, wanted));

    private static byte[] Named(EntityModel model, int index, object value, Func<ColumnSchema, object, string> text)
    {
        var column = model.Row[index].Column;
        try
        {
            return AttributeForms.For(column, null) == AttributeForm.Binary ? Bytes(column, value) : Encoding.UTF8.GetBytes(text(column, value));
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
        "tinyint" or "smallint" or "mediumint" or "int" or "bigint" or "bit" => Integer(column, value).ToString(CultureInfo.InvariantCulture),
        "year" => Year(column, value),
        "decimal" or "numeric" => Decimal(column, value),
        "float" or "double" or "real" => FloatValue.Text(column, value),
        "date" => TemporalText.Date(value),
        "datetime" or "timestamp" => TemporalText.PointInTime(column, value),
        "time" => TemporalText.Duration(column, value),
        "enum" => column.Members.FirstOrDefault(m => m.Equals(Plain(value).TrimEnd(' '), CaseOf(column))) ?? throw new FormatException($"it is none of {string.Join(", ", column.Members)}"),
        "set" => Set(column, value),
        "json" => JsonNormal.Of(Plain(value)),
        _ => Characters(column, Plain(value)),
    };

    internal static string Plain(object value) => value as string ?? Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    private static BigInteger Integer(ColumnSchema column, object value)
    {
        var number = value switch
        {
            bool flag => flag ? BigInteger.One : BigInteger.Zero,
            string text => BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
            _ => ExactNumber.Parse(Digits(value), 0),
        };
        if (column.Unsigned || column.DataType == "bit")
        {
            RefuseNegative(Plain(value));
        }

        var bits = column.DataType switch { "tinyint" => 8, "smallint" => 16, "mediumint" => 24, "int" => 32, "bit" => column.Precision, _ => 64 };
        var (least, most) = column.DataType == "year" ? (0, 2155)
            : column.Unsigned || column.DataType == "bit" ? (BigInteger.Zero, BigInteger.Pow(2, bits) - 1)
            : (-BigInteger.Pow(2, bits - 1), BigInteger.Pow(2, bits - 1) - 1);
        return number >= least && number <= most ? number : throw new OverflowException($"its range is {least} to {most}");
    }

    /// <summary>The number 0 is the year 0000, and 1 to 99 are 1970 to 2069: https://dev.mysql.com/doc/refman/9.7/en/two-digit-years.html.</summary>
    private static string Year(ColumnSchema column, object value)
    {
        var year = (int)Integer(column, value);
        if (column.ColumnType.StartsWith("year(2)", StringComparison.OrdinalIgnoreCase))
        {
            return year is <= 99 or >= 1970 and <= 2069 ? (year % 100).ToString("00", CultureInfo.InvariantCulture) : throw new OverflowException("its range is 1970 to 2069");
        }

        year += year is 0 && value is not string { Length: < 4 } ? 0 : year < 70 ? 2000 : year < 100 ? 1900 : 0;
        return year is 0 or >= 1901 ? year.ToString("0000", CultureInfo.InvariantCulture) : throw new OverflowException("its range is 1901 to 2155, and 0000");
    }

    /// <summary>Digits beyond the column's decimals are rounded away from zero at the half, as the server does.</summary>
    private static string Decimal(ColumnSchema column, object value)
    {
        var text = Digits(value);
        var scaled = ExactNumber.Parse(text, column.Scale);
        if (column.Unsigned)
        {
            RefuseNegative(text);
        }

        return BigInteger.Abs(scaled) < BigInteger.Pow(10, column.Precision)
            ? ExactNumber.Text(scaled, column.Scale)
            : throw new OverflowException($"it holds {column.Precision - column.Scale} digits before the point");
    }

    /// <summary>Also one that would be rounded to zero.</summary>
    private static void RefuseNegative(string number)
    {
        if (number.StartsWith('-') && number.AsSpan().ContainsAnyInRange('1', '9'))
        {
            throw new OverflowException("it takes no negative numbers");
        }
    }

    /// <summary>All digits of a number: a conversion to decimal would round those of a double.</summary>
    internal static string Digits(object value) => value switch
    {
        double number => FloatValue.Finite(number).ToString("R", CultureInfo.InvariantCulture),
        float number => FloatValue.Finite(number).ToString("R", CultureInfo.InvariantCulture),
        _ => Plain(value),
    };

    private static StringComparer ComparerOf(ColumnSchema column) => IsCaseSensitive(column) ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase;

    private static StringComparison CaseOf(ColumnSchema column) => IsCaseSensitive(column) ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;

    private static bool IsCaseSensitive(ColumnSchema column) => column.Collation is { } collation && (collation.EndsWith("_bin", StringComparison.Ordinal) || collation.EndsWith("_cs", StringComparison.Ordinal));

    private static string Set(ColumnSchema column, object value)
    {
        var chosen = (value as IEnumerable<string> ?? (Plain(value) is { Length: > 0 } text ? text.Split(',') : [])).ToHashSet(ComparerOf(column));
        var members = column.Members.Where(chosen.Remove).ToArray();
        return chosen.Count == 0 ? string.Join(',', members) : throw new FormatException($"'{chosen.First()}' is none of {string.Join(", ", column.Members)}");
    }

    private static string Characters(ColumnSchema column, string value)
    {
        // What a CHAR is padded with is not kept.
        var text = column.DataType == "char" ? value.TrimEnd(' ') : value;
        foreach (var rune in text.EnumerateRunes())
        {
            var fits = column.CharacterSet switch
            {
                "ascii" => rune.IsAscii,
                "latin1" => rune.Value is < 0x80 or (>= 0xA0 and < 0x100) || (rune.IsBmp && Latin1Extras.Contains((char)rune.Value, StringComparison.Ordinal)),
                "utf8mb3" or "utf8" or "ucs2" => rune.IsBmp,
                _ => true,
            };
            if (!fits || (rune == Rune.ReplacementChar && !value.Contains('\uFFFD', StringComparison.Ordinal)))
            {
                throw new FormatException($"the character set {column.CharacterSet} does not have U+{rune.Value:X4}");
            }
        }

        if (column.MaxLength is not { } most)
        {
            return text;
        }

        // TEXT types are limited by their bytes; blanks that do not fit are cut off without a word.
        var inBytes = column.DataType.EndsWith("text", StringComparison.Ordinal) && column.CharacterSet is ("utf8mb4" or "utf8mb3" or "utf8");
        var length = inBytes ? Encoding.UTF8.GetByteCount(text) : text.EnumerateRunes().Count();
        var surplus = (int)Math.Max(0, length - most);
        return text.Length - text.TrimEnd(' ').Length >= surplus
            ? text[..^surplus]
            : throw new FormatException($"it has {length} {(inBytes ? "bytes" : "characters")}, and {most} are the most");
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
