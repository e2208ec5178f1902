using System.Globalization;
using System.Text;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Column types and random values of them as SQL.</summary>
internal static class RandomValues
{
    public static IReadOnlyList<(string Type, Func<Random, string> Value)> Columns(bool mariaDb)
    {
        var columns = new List<(string, Func<Random, string>)>
        {
            ("TINYINT", r => Int(r, 8)), ("SMALLINT", r => Int(r, 16)), ("MEDIUMINT", r => Int(r, 24)), ("INT", r => Int(r, 32)), ("BIGINT", r => Int(r, 64)),
            ("TINYINT UNSIGNED", r => UInt(r, 8)), ("SMALLINT UNSIGNED", r => UInt(r, 16)), ("MEDIUMINT UNSIGNED", r => UInt(r, 24)),
            ("INT UNSIGNED ZEROFILL", r => UInt(r, 32)), ("BIGINT UNSIGNED", r => UInt(r, 64)),
            ("FLOAT", r => Real(r, 30)), ("DOUBLE", r => Real(r, 90)), ("BIT(1)", r => r.Next(2).ToString(CultureInfo.InvariantCulture)), ("BIT(37)", r => UInt(r, 37)),
            ("YEAR", r => r.Next(10) == 0 ? "0" : r.Next(1901, 2156).ToString(CultureInfo.InvariantCulture)),
            ("DATE", Date), ("DATETIME", r => Quoted(Day(r) + Time(r, 0))), ("DATETIME(2)", r => Quoted(Day(r) + Time(r, 2))), ("DATETIME(6)", r => Quoted(Day(r) + Time(r, 6))),
            ("TIMESTAMP NULL", r => Stamp(r, 0)), ("TIMESTAMP(5) NULL", r => Stamp(r, 5)),
            ("TIME", r => Duration(r, 0)), ("TIME(1)", r => Duration(r, 1)), ("TIME(3)", r => Duration(r, 3)), ("TIME(6)", r => Duration(r, 6)),
            ("CHAR(20)", r => Text(r, 20)), ("VARCHAR(300)", r => Text(r, 300)), ("TEXT", r => Text(r, 500)), ("MEDIUMTEXT", r => Text(r, 70_000 / 8)),
            ("CHAR(250)", r => Text(r, 200)), ("BINARY(9)", r => Bytes(r, 9)), ("VARBINARY(300)", r => Bytes(r, 300)), ("BLOB", r => Bytes(r, 900)), ("TINYBLOB", r => Bytes(r, 200)),
            ("ENUM('a','ü','c,d','')", r => (1 + r.Next(4)).ToString(CultureInfo.InvariantCulture)),
            ("SET('a','ü','😀','d','e','f','g','h','i')", r => r.Next(512).ToString(CultureInfo.InvariantCulture)),
            ("JSON", r => Quoted(Json(r, 0).Replace("\\", "\\\\", StringComparison.Ordinal))),
            ("LINESTRING", r => $"ST_GeomFromText('LINESTRING({r.Next(100)} {r.Next()}, {Real(r, 5)} 0, 1 1)')"),
        };
        foreach (var (precision, scale) in new[] { (1, 0), (1, 1), (9, 0), (10, 9), (14, 4), (18, 9), (19, 10), (38, 30), (65, 30), (65, 0), (30, 30), (27, 13) })
        {
            columns.Add(($"DECIMAL({precision},{scale})", r => Decimal(r, precision, scale)));
        }

        columns.AddRange(mariaDb
            ? [("UUID", r => Quoted(new Guid(Enumerable.Range(0, 16).Select(_ => (byte)r.Next(256)).ToArray()).ToString())), ("INET4", r => Quoted($"{r.Next(256)}.{r.Next(256)}.0.{r.Next(2)}")),
                ("INET6", Inet6), ("VARCHAR(300) COMPRESSED", r => Text(r, 300)), ("BLOB COMPRESSED", r => $"REPEAT({Bytes(r, 9)}, {r.Next(99)})")]
            : [("VECTOR(3)", r => $"X'{Convert.ToHexString(BitConverter.GetBytes(r.NextSingle()))}0000803F{Convert.ToHexString(BitConverter.GetBytes(-r.NextSingle()))}'")]);
        return columns;
    }

    private static string Int(Random r, int bits) => (r.NextInt64(long.MinValue, long.MaxValue) >> (64 - 1 - r.Next(bits))).ToString(CultureInfo.InvariantCulture);

    private static string UInt(Random r, int bits) => ((ulong)r.NextInt64(long.MinValue, long.MaxValue) >> (64 - 1 - r.Next(bits))).ToString(CultureInfo.InvariantCulture);

    private static string Real(Random r, int exponent) =>
        ((r.NextDouble() - 0.5) * Math.Pow(10, r.Next(-exponent, exponent))).ToString("R", CultureInfo.InvariantCulture);

    private static string Decimal(Random r, int precision, int scale)
    {
        var digits = string.Concat(Enumerable.Range(0, precision).Select(_ => r.Next(4) == 0 ? '0' : (char)('0' + r.Next(10))));
        var whole = digits[..r.Next(precision - scale + 1)];
        return $"{(r.Next(2) == 0 ? "-" : "")}{(whole.Length == 0 ? "0" : whole)}.{digits[(precision - scale)..]}0";
    }

    private static string Date(Random r) => r.Next(8) switch { 0 => "'0000-00-00'", 1 => "'2026-02-00'", 2 => "'2023-02-31'", _ => Quoted(Day(r)) };

    private static string Day(Random r) => new DateOnly(1000, 1, 1).AddDays(r.Next(3_000_000)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Time(Random r, int digits) => string.Create(CultureInfo.InvariantCulture, $" {r.Next(24):00}:{r.Next(60):00}:{r.Next(60):00}") + Fraction(r, digits);

    private static string Stamp(Random r, int digits) => r.Next(10) == 0
        ? "'0000-00-00 00:00:00'"
        : Quoted(DateTime.UnixEpoch.AddSeconds(1 + r.Next(int.MaxValue - 2)).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + Fraction(r, digits));

    private static string Duration(Random r, int digits) => Quoted(string.Create(CultureInfo.InvariantCulture, $"{(r.Next(2) == 0 ? "-" : "")}{r.Next(r.Next(2) == 0 ? 2 : 838)}:{r.Next(60):00}:{r.Next(60):00}") + Fraction(r, digits));

    private static string Fraction(Random r, int digits) => digits == 0 ? "" : "." + (r.Next(3) == 0 ? 0 : r.Next((int)Math.Pow(10, digits))).ToString(new string('0', digits), CultureInfo.InvariantCulture);

    private static string Text(Random r, int most)
    {
        const string Alphabet = "ab cdé€漢😀\"\\\n\t'%_ ";
        var runes = Alphabet.EnumerateRunes().ToArray();
        var text = string.Concat(Enumerable.Range(0, r.Next(most + 1)).Select(_ => runes[r.Next(runes.Length)].ToString()));
        return $"CONVERT(X'{Convert.ToHexString(Encoding.UTF8.GetBytes(text))}' USING utf8mb4)";
    }

    private static string Bytes(Random r, int most)
    {
        var bytes = new byte[r.Next(most + 1)];
        r.NextBytes(bytes);
        // Zeros and blanks at the end are what servers like to cut.
        for (var i = Math.Max(0, bytes.Length - r.Next(4)); i < bytes.Length; i++)
        {
            bytes[i] = r.Next(2) == 0 ? (byte)0 : (byte)' ';
        }

        return bytes.Length == 0 ? "''" : $"X'{Convert.ToHexString(bytes)}'";
    }

    private static string Inet6(Random r)
    {
        var words = Enumerable.Range(0, 8).Select(i => r.Next(3) == 0 ? r.Next(65536) : r.Next(8) == 0 && i == 5 ? 0xFFFF : 0);
        return Quoted(string.Join(':', words.Select(w => w.ToString("x", CultureInfo.InvariantCulture))));
    }

    private static string Json(Random r, int depth) => (depth > 3 ? r.Next(9) : r.Next(12)) switch
    {
        0 => "null",
        1 => "true",
        2 => "false",
        3 => r.Next(-70_000, 70_000).ToString(CultureInfo.InvariantCulture),
        4 => Int(r, 64),
        5 => Real(r, r.Next(1, 300)),
        6 => (r.Next(-1000, 1000) / 8.0).ToString("0.0##", CultureInfo.InvariantCulture),
        7 => "\"" + string.Concat(Enumerable.Range(0, r.Next(r.Next(5) == 0 ? 300 : 10)).Select(_ => r.Next(12) switch { 0 => "é", 1 => "\\\"", 2 => "\\n", 3 => "\\u0001", 4 => "😀", 5 => "\\\\", 6 => "/", _ => "x" })) + "\"",
        8 => UInt(r, 64),
        9 => "[" + string.Join(", ", Enumerable.Range(0, r.Next(5)).Select(_ => Json(r, depth + 1))) + "]",
        10 => "{" + string.Join(", ", Enumerable.Range(0, r.Next(5)).Select(i => $"\"k{(r.Next(3) == 0 ? new string('é', r.Next(9)) : "")}{i}\": {Json(r, depth + 1)}")) + "}",
        _ => "[" + string.Join(", ", Enumerable.Range(0, r.Next(2, 40)).Select(i => $"\"{new string('y', i * 40)}\"")) + "]",
    };

    private static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
