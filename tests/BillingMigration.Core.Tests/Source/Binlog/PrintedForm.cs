using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>
/// One form for a value that our decoder read and for the same value as a server's tool prints it. Where the print says less than the value (FLOAT and VECTOR:
/// six digits; MariaDB's text: a backslash may stand for itself or for an escape), the form says no more than the print.
/// </summary>
internal static class PrintedForm
{
    private const string Seconds = "yyyy-MM-dd HH:mm:ss";

    /// <param name="text">Of our decoder; bytes as the characters of the same number.</param>
    public static string OfDecoded(TableMapColumn column, string text) => column.Type switch
    {
        BinlogColumnType.Float => SixDigits(text),
        BinlogColumnType.Timestamp or BinlogColumnType.Timestamp2 => UnixTime(text),
        // A JSON string that is no member of anything is printed as the text that it holds.
        BinlogColumnType.Json when text[0] == '"' => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(JsonSerializer.Deserialize<string>(Encoding.Latin1.GetBytes(text))!)),
        BinlogColumnType.Enum => text.Length == 0 ? "0" : text,
        BinlogColumnType.Set => text.Split(',', StringSplitOptions.RemoveEmptyEntries).Aggregate(0UL, (bits, bit) => bits | ulong.Parse(bit, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture),
        BinlogColumnType.Vector => string.Join(",", MemoryMarshal.Cast<byte, float>(Encoding.Latin1.GetBytes(text)).ToArray().Select(f => ((double)f).ToString("E5", CultureInfo.InvariantCulture))),
        _ => text,
    };

    /// <param name="decoded">A form of <see cref="OfDecoded"/> as a tool would print it; only text differs.</param>
    public static string AsPrinted(TableMapColumn column, string decoded, bool mariaDb) => decoded != "NULL" && IsText(column.Type) ? Escape(decoded, mariaDb) : decoded;

    /// <param name="text">As a tool prints it.</param>
    public static string OfPrinted(TableMapColumn column, string text)
    {
        if (text == "NULL")
        {
            return text;
        }

        switch (column.Type)
        {
            case BinlogColumnType.Tiny or BinlogColumnType.Short or BinlogColumnType.Int24 or BinlogColumnType.Long or BinlogColumnType.LongLong:
                // "-1 (255)": both readings of the same bits.
                var readings = text.Split(" (");
                return column.Unsigned == true ? readings[^1].TrimEnd(')') : readings[0];
            case BinlogColumnType.Float:
                return SixDigits(text);
            case BinlogColumnType.Double:
                return double.Parse(text, CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture);
            case BinlogColumnType.Set:
                // Its bytes in the order in which they are stored, the lowest first.
                return Convert.ToUInt64(string.Concat(text[2..^1].Chunk(8).Reverse().Select(b => new string(b))), 2).ToString(CultureInfo.InvariantCulture);
            case BinlogColumnType.Bit:
                return Convert.ToUInt64(text[2..^1], 2).ToString(CultureInfo.InvariantCulture);
            case BinlogColumnType.Year:
                // The year 0 is stored as nothing, and printed as the year that numbers are counted from.
                return text == "1900" ? "0000" : text;
            case BinlogColumnType.Date or BinlogColumnType.NewDate:
                return text.Trim('\'').Replace(':', '-');
            case BinlogColumnType.Vector:
                return string.Join(",", text.Trim('[', ']').Split(',').Select(SixDigits));
            case var type when IsText(type):
                return text[1..^1];
            default:
                return text.Trim('\'');
        }
    }

    private static bool IsText(BinlogColumnType type) => type is BinlogColumnType.String or BinlogColumnType.VarChar or BinlogColumnType.VarString or BinlogColumnType.VarCharCompressed
        or BinlogColumnType.TinyBlob or BinlogColumnType.Blob or BinlogColumnType.MediumBlob or BinlogColumnType.LongBlob or BinlogColumnType.BlobCompressed
        or BinlogColumnType.Geometry or BinlogColumnType.Json;

    private static string SixDigits(string text) => double.Parse(text, CultureInfo.InvariantCulture).ToString("E5", CultureInfo.InvariantCulture);

    private static string UnixTime(string text)
    {
        if (text.StartsWith("0000", StringComparison.Ordinal))
        {
            return "0" + text[Seconds.Length..];
        }

        var time = DateTime.ParseExact(text[..Seconds.Length], Seconds, CultureInfo.InvariantCulture);
        return ((long)(time - DateTime.UnixEpoch).TotalSeconds).ToString(CultureInfo.InvariantCulture) + text[Seconds.Length..];
    }

    private static string Escape(string bytes, bool mariaDb)
    {
        var text = new StringBuilder();
        foreach (var c in bytes)
        {
            _ = (mariaDb, c) switch
            {
                (false, '\b') => text.Append("\\b"),
                (false, '\t') => text.Append("\\t"),
                (false, '\n') => text.Append("\\n"),
                (false, '\f') => text.Append("\\f"),
                (false, '\r') => text.Append("\\r"),
                (false, '\'' or '\\') => text.Append('\\').Append(c),
                (_, < ' ') => text.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => text.Append(c),
            };
        }

        return text.ToString();
    }
}
