using System.Globalization;
using System.Numerics;
using System.Text;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Column types with values as SQL literals: limits, and values in between by a seed.</summary>
internal sealed class GeneratedValues(int seed)
{
    private const string Alphabet = "aZ09 '\"\\%_-éß€Ωж中日語😀🏦\t\n\0";
    private readonly Random random = new(seed);

    public IReadOnlyList<(string Type, Func<string> Value)> Columns(bool mariaDb)
    {
        var columns = new List<(string, Func<string>)>();
        foreach (var (type, bits) in new[] { ("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64) })
        {
            columns.Add((type, () => Integer(bits, true)));
            columns.Add((type + " UNSIGNED", () => Integer(bits, false)));
        }

        columns.Add(("INT(10) UNSIGNED ZEROFILL", () => Integer(32, false)));
        foreach (var (precision, scale) in new[] { (1, 0), (5, 5), (9, 0), (9, 9), (10, 2), (14, 4), (16, 6), (18, 9), (19, 10), (20, 0), (38, 38 - 8), (65, 0), (65, 30) })
        {
            columns.Add(($"DECIMAL({precision},{scale})", () => Decimal(precision, scale)));
        }

        columns.Add(("DECIMAL(10,2) UNSIGNED ZEROFILL", () => Decimal(10, 2).TrimStart('-')));
        columns.Add(("FLOAT", Single));
        columns.Add(("FLOAT(7,3)", () => Decimal(7, 3)));
        columns.Add(("DOUBLE", Double));
        columns.Add(("DOUBLE(10,2)", () => Decimal(10, 2)));
        foreach (var bits in new[] { 1, 7, 8, 13, 33, 64 })
        {
            columns.Add(($"BIT({bits})", () => (random.NextInt64() & (bits == 64 ? -1 : (1L << bits) - 1)).ToString(CultureInfo.InvariantCulture).TrimStart('-')));
        }

        columns.Add(("YEAR", () => random.Next(8) == 0 ? "0" : random.Next(1901, 2156).ToString(CultureInfo.InvariantCulture)));
        columns.Add(("DATE", () => $"'{Day()}'"));
        for (var digits = 0; digits <= 6; digits++)
        {
            var places = digits;
            columns.Add(($"TIME({places})", () => $"'{Time(places)}'"));
            columns.Add(($"DATETIME({places})", () => $"'{Day()} {Clock(places)}'"));
            columns.Add(($"TIMESTAMP({places}) NULL", () => $"'{Stamp(places)}'"));
        }

        Texts(columns);
        Bytes(columns);
        Members(columns);
        columns.Add(("GEOMETRY", Shape));
        columns.Add(("POINT", () => $"ST_GeomFromText('POINT({random.Next(-90, 90)} {random.NextDouble().ToString("R", CultureInfo.InvariantCulture)})')"));
        columns.Add(("JSON", () => $"'{new GeneratedJson(random).Document().Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}'"));
        if (mariaDb)
        {
            columns.Add(("UUID", () => $"'{new Guid(Random(16))}'"));
            columns.Add(("INET4", () => $"'{new System.Net.IPAddress(Random(4))}'"));
            columns.Add(("INET6", () => $"'{new System.Net.IPAddress(Sparse(16))}'"));
            columns.Add(("VARCHAR(200) COMPRESSED", () => random.Next(2) == 0 ? Text(20) : $"REPEAT({Text(5)}, 20)"));
            columns.Add(("VARCHAR(500) CHARACTER SET latin1 COMPRESSED", () => random.Next(2) == 0 ? "_latin1 X'E9E8'" : "REPEAT(_latin1 X'E9E841', 150)"));
            columns.Add(("TEXT COMPRESSED", () => $"REPEAT({Text(10)}, {random.Next(0, 300)})"));
            columns.Add(("VARBINARY(300) COMPRESSED", () => $"REPEAT({Hex(3)}, {random.Next(0, 100)})"));
            columns.Add(("BLOB COMPRESSED", () => $"REPEAT({Hex(7)}, {random.Next(0, 300)})"));
        }
        else
        {
            columns.Add(("VECTOR(3)", () => $"X'{Convert.ToHexString(MemoryOf(random.NextSingle(), -random.NextSingle() * 1e20f, random.Next()))}'"));
            columns.Add(("JSON", OpaqueJson));
        }

        return columns;
    }

    public string NullOr(Func<string> value) => random.Next(6) == 0 ? "NULL" : value();

    private static byte[] MemoryOf(params float[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    private void Texts(List<(string, Func<string>)> columns)
    {
        columns.Add(("CHAR(10)", () => Text(10)));
        columns.Add(("CHAR(120)", () => Text(30)));
        columns.Add(("CHAR(20) CHARACTER SET latin1", () => Latin(20)));
        columns.Add(("CHAR(5) CHARACTER SET utf16", () => Text(5)));
        columns.Add(("CHAR(5) CHARACTER SET utf16le", () => Text(5)));
        columns.Add(("CHAR(5) CHARACTER SET utf32", () => Text(5)));
        columns.Add(("CHAR(5) CHARACTER SET ucs2", () => Text(5)));
        columns.Add(("VARCHAR(10)", () => Text(10)));
        columns.Add(("VARCHAR(100)", () => Text(100)));
        columns.Add(("VARCHAR(300) CHARACTER SET latin1", () => Latin(300)));
        columns.Add(("VARCHAR(20) CHARACTER SET cp1251", () => Text(20)));
        columns.Add(("VARCHAR(20) CHARACTER SET utf16", () => Text(20)));
        columns.Add(("VARCHAR(20) CHARACTER SET utf8mb3", () => Text(20)));
        columns.Add(("VARCHAR(20) CHARACTER SET ascii", () => Text(20)));
        columns.Add(("VARCHAR(20) COLLATE utf8mb4_bin", () => Text(20)));
        columns.Add(("TINYTEXT", () => Text(60)));
        columns.Add(("TEXT", () => $"REPEAT({Text(20)}, {random.Next(0, 200)})"));
        columns.Add(("MEDIUMTEXT CHARACTER SET latin1", () => $"REPEAT({Latin(20)}, {random.Next(0, 200)})"));
        columns.Add(("LONGTEXT", () => Text(200)));
    }

    private void Bytes(List<(string, Func<string>)> columns)
    {
        columns.Add(("BINARY(1)", () => Hex(1)));
        columns.Add(("BINARY(16)", () => Hex(16)));
        columns.Add(("BINARY(255)", () => Hex(255)));
        columns.Add(("VARBINARY(20)", () => Hex(20)));
        columns.Add(("VARBINARY(400)", () => Hex(400)));
        columns.Add(("CHAR(6) CHARACTER SET binary", () => Hex(6)));
        columns.Add(("TINYBLOB", () => Hex(255)));
        columns.Add(("BLOB", () => Hex(1000)));
        columns.Add(("MEDIUMBLOB", () => Hex(1000)));
        columns.Add(("LONGBLOB", () => Hex(1000)));
    }

    private void Members(List<(string, Func<string>)> columns)
    {
        columns.Add(("ENUM('a','b''c','d,é','','zz \\\\')", () => random.Next(1, 6).ToString(CultureInfo.InvariantCulture)));
        var many = string.Join(",", Enumerable.Range(0, 300).Select(i => $"'m{i}'"));
        columns.Add(($"ENUM({many})", () => random.Next(0, 301).ToString(CultureInfo.InvariantCulture)));
        columns.Add(("ENUM('é','ü') CHARACTER SET latin1", () => random.Next(1, 3).ToString(CultureInfo.InvariantCulture)));
        columns.Add(("ENUM('é','日本') CHARACTER SET utf16", () => random.Next(1, 3).ToString(CultureInfo.InvariantCulture)));
        foreach (var count in new[] { 3, 9, 17, 25, 64 })
        {
            var names = string.Join(",", Enumerable.Range(0, count).Select(i => $"'s{i}é'"));
            var top = count == 64 ? ulong.MaxValue : (1UL << count) - 1;
            columns.Add(($"SET({names})", () => ((ulong)random.NextInt64(long.MinValue, long.MaxValue) & top).ToString(CultureInfo.InvariantCulture)));
        }
    }

    private string Integer(int bits, bool signed)
    {
        var value = new BigInteger(Random(bits / 8), isUnsigned: !signed);
        return random.Next(6) switch
        {
            0 => (signed ? -(BigInteger.One << (bits - 1)) : BigInteger.Zero).ToString(CultureInfo.InvariantCulture),
            1 => ((BigInteger.One << (signed ? bits - 1 : bits)) - 1).ToString(CultureInfo.InvariantCulture),
            2 => random.Next(signed ? -9 : 0, 100).ToString(CultureInfo.InvariantCulture),
            _ => value.ToString(CultureInfo.InvariantCulture),
        };
    }

    private string Decimal(int precision, int scale)
    {
        string Digits(int count) => new([.. Enumerable.Range(0, count).Select(_ => (char)('0' + (random.Next(3) == 0 ? 0 : random.Next(10))))]);
        var whole = Digits(random.Next(precision - scale + 1));
        var text = (whole.Length == 0 ? "0" : whole) + "." + Digits(random.Next(scale + 1));
        return random.Next(12) == 0 ? "0" : random.Next(2) == 0 ? text : "-" + text;
    }

    private string Single()
    {
        var value = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
        return float.IsFinite(value) && random.Next(4) > 0 ? ((double)value).ToString("R", CultureInfo.InvariantCulture) : random.Next(-9999, 9999).ToString(CultureInfo.InvariantCulture) + "e-2";
    }

    private string Double()
    {
        var value = BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue));
        return double.IsFinite(value) && random.Next(4) > 0 ? value.ToString("R", CultureInfo.InvariantCulture) : (random.Next(-99999, 99999) / 1000.0).ToString("R", CultureInfo.InvariantCulture);
    }

    private string Day() => random.Next(10) switch
    {
        0 => "0000-00-00",
        1 => $"{random.Next(1, 9999):D4}-00-00",
        2 => $"{random.Next(1, 9999):D4}-{random.Next(1, 13):D2}-00",
        3 => "9999-12-31",
        _ => $"{random.Next(1, 9999):D4}-{random.Next(1, 13):D2}-{random.Next(1, 29):D2}",
    };

    private string Clock(int digits) => $"{random.Next(24):D2}:{random.Next(60):D2}:{random.Next(60):D2}{Fraction(digits)}";

    private string Time(int digits) => random.Next(8) switch
    {
        0 => "-838:59:59",
        1 => "-00:00:00" + (digits == 0 ? "" : "." + new string('0', digits - 1) + "1"),
        2 => "00:00:00",
        _ => $"{(random.Next(2) == 0 ? "-" : "")}{random.Next(838):D2}:{random.Next(60):D2}:{random.Next(60):D2}{Fraction(digits)}",
    };

    private string Stamp(int digits) => random.Next(8) switch
    {
        0 => "0000-00-00 00:00:00",
        1 => "1970-01-01 00:00:01",
        2 => "2038-01-19 03:14:07",
        _ => $"{random.Next(1971, 2038):D4}-{random.Next(1, 13):D2}-{random.Next(1, 29):D2} {Clock(digits)}",
    };

    private string Fraction(int digits) => digits == 0 ? "" : "." + random.Next((int)Math.Pow(10, digits)).ToString($"D{digits}", CultureInfo.InvariantCulture);

    private string Text(int most)
    {
        var runes = Alphabet.EnumerateRunes().ToArray();
        var text = new StringBuilder();
        for (var i = random.Next(most + 1); i > 0; i--)
        {
            text.Append(runes[random.Next(runes.Length)]);
        }

        return $"_utf8mb4 X'{Convert.ToHexString(Encoding.UTF8.GetBytes(text.ToString()))}'";
    }

    private string Latin(int most) => $"_latin1 X'{Convert.ToHexString(Random(random.Next(most + 1)))}'";

    private string Hex(int most)
    {
        var bytes = Sparse(random.Next(most + 1));
        return bytes.Length == 0 ? "''" : $"X'{Convert.ToHexString(bytes)}'";
    }

    private byte[] Random(int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>With many zeros and blanks, also at the end.</summary>
    private byte[] Sparse(int length) => [.. Random(length).Select(b => random.Next(3) switch { 0 => (byte)0, 1 => random.Next(2) == 0 ? (byte)' ' : b, _ => b })];

    private string Shape() => random.Next(3) switch
    {
        0 => $"ST_GeomFromText('LINESTRING(0 0, {random.Next(9)} {random.Next(9)})')",
        1 => $"ST_GeomFromText('POLYGON((0 0, 0 {random.Next(1, 9)}, 5 5, 0 0))', 4326)",
        _ => $"ST_GeomFromText('POINT({random.Next(9)} {random.Next(9)})')",
    };

    private string OpaqueJson() => random.Next(9) switch
    {
        0 => $"JSON_OBJECT('d', CAST('{Day()}' AS DATE), 'n', NULL)",
        1 => $"JSON_ARRAY(CAST('{Time(6)}' AS TIME(6)), CAST('{Time(0)}' AS TIME))",
        2 => $"JSON_ARRAY(CAST('{Day()} {Clock(6)}' AS DATETIME(6)))",
        3 => $"JSON_ARRAY(CAST({Decimal(20, 10)} AS DECIMAL(20,10)), CAST({Decimal(65, 30)} AS DECIMAL(65,30)), {Decimal(9, 3)})",
        4 => $"JSON_ARRAY({Hex(40)}, CAST({Hex(10)} AS BINARY))",
        5 => "JSON_ARRAY(b'101', CAST(b'1111' AS UNSIGNED))",
        6 => $"JSON_ARRAY(CAST({random.Next(1901, 2155)} AS YEAR), {Double()}, {Integer(64, false)}, {Integer(64, true)})",
        7 => $"JSON_ARRAY({Double()}, {Single()}, {Double()}, 1e15, 1e16, 123456789012345680.0, 0.1, 1e-5, 1e-15, -0e0)",
        _ => $"JSON_OBJECT('g', ST_GeomFromText('POINT({random.Next(9)} 1)'), 'k{random.Next(99)}', {random.Next()})",
    };
}
