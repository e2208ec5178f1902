namespace BillingMigration.Tests.Source.Binlog;

/// <summary>For each column type the values at its edges, as SQL: what a server rounds, pads, cuts or prints in another way than it stores it.</summary>
internal static class ExtremeValues
{
    private const string AllBits = "18446744073709551615";
    private static readonly string ManyNines = new('9', 65);

    public static IReadOnlyList<(string Type, string[] Values)> Columns(bool mariaDb) => [.. Numbers(), .. Times(), .. Texts(), .. Bytes(), .. mariaDb ? MariaDbOnly() : MySqlOnly()];

    private static IEnumerable<(string Type, string[] Values)> Numbers()
    {
        // MariaDB takes the sign of a literal zero away, but not of what is too small for a FLOAT.
        string[] singles = ["-0e0", "'-0'", "-1e-50", "1e-50", "-0.4e0 * 0e0", "ROUND(-0.4e0)", "1.401298464324817e-45", "-1.401298464324817e-45", "1.1754943508222875e-38", "1.17549421e-38",
            "3.4028234663852886e38", "-3.4028234663852886e38", "16777217", "0.1", "-8388608.5", "1e39", "9.999999e-41", "123456.789", "1234567", "0.3e0 - 0.1e0"];
        yield return ("FLOAT", singles);
        yield return ("FLOAT UNSIGNED", singles);
        yield return ("FLOAT ZEROFILL", singles);
        yield return ("FLOAT(7,3)", ["-0e0", "-0.0001", "9999.999", "-9999.999", "0.1", "1e9", "0.0005", "1234.5675"]);
        yield return ("FLOAT(30,30)", ["-0e0", "1e-30", "0.1", "-1e-31", "0.123456789012345678901234567890"]);
        yield return ("FLOAT(24)", singles);
        yield return ("FLOAT(25)", singles);
        string[] doubles = ["-0e0", "'-0'", "-1e-400", "-0.4e0 * 0e0", "ROUND(-0.4e0)", "CEILING(-0.5e0)", "4.9406564584124654e-324", "-4.9406564584124654e-324", "2.2250738585072009e-308",
            "2.2250738585072014e-308", "-2.2250738585072014e-308", "1.7976931348623157e308", "-1.7976931348623157e308", "0.1", "0.30000000000000004", "9007199254740993", "1e15", "1e16", "123456789012345680",
            "1e22", "1e23", "5e-324", "-1.2345678901234567e-300", "1.5e-15", "1e-14", "1e-16"];
        yield return ("DOUBLE", doubles);
        yield return ("DOUBLE UNSIGNED", doubles);
        yield return ("DOUBLE ZEROFILL", doubles);
        yield return ("DOUBLE(10,2)", ["-0e0", "-0.001", "99999999.99", "-0.1", "0.005", "1.005"]);
        yield return ("DOUBLE(255,30)", ["-0e0", "-1e-40", "0.1", "1e-17", "1e200", "-1.7976931348623157e200", "1e-30"]);
        yield return ("DECIMAL(10,2)", ["-0.00", "'-0'", "-0.001", "-0.004", "-0.4e-2", "CAST(-0.0 AS DECIMAL(10,2))", "ROUND(-0.001, 2)", "-99999999.99", "1e9", "TRUNCATE(-0.009, 2)", "-0.00 * 1"]);
        yield return ("DECIMAL(65,30)", ["-0.000000000000000000000000000000", "'-0.0000000000000000000000000000001'", $"-{ManyNines[..35]}.{ManyNines[..30]}", "0.000000000000000000000000000001", "-1e-30", "1e34"]);
        yield return ("DECIMAL(65,30) UNSIGNED ZEROFILL", [$"{ManyNines[..35]}.{ManyNines[..30]}", "0.000000000000000000000000000001", "0", "12345678901234567890123456789012345.1"]);
        yield return ("DECIMAL(65,0) ZEROFILL", [ManyNines, "0", "1", "12345678901234567890123456789012345678901234567890"]);
        yield return ("DECIMAL(30,30)", ["-0.0", "-0.999999999999999999999999999999", "0.000000000000000000000000000001"]);
        foreach (var type in (string[])["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"])
        {
            string[] values = ["-9223372036854775808", "9223372036854775807", AllBits, "-1", "0", "-0e0", "-0.4", "127", "-128", "255", "8388608"];
            yield return (type, values);
            yield return ($"{type}(3) UNSIGNED ZEROFILL", values);
        }

        yield return ("BOOL", ["TRUE", "FALSE", "2", "-128"]);
        foreach (var bits in (int[])[1, 2, 7, 8, 9, 16, 31, 32, 33, 63, 64])
        {
            yield return ($"BIT({bits})", ["0", "1", $"b'{new string('1', bits)}'", $"b'1{new string('0', bits - 1)}'", "X'30'", "'1'"]);
        }

        yield return ("YEAR", ["0", "'0'", "'00'", "'0000'", "1901", "2155", "69", "70", "1900"]);
    }

    private static IEnumerable<(string Type, string[] Values)> Times()
    {
        yield return ("DATE", ["'0000-00-00'", "'0000-01-01'", "'0000-00-01'", "'0001-00-00'", "'9999-12-31'", "'2023-02-31'", "'2023-04-31'", "'1582-10-10'", "'10000-01-01'"]);
        for (var digits = 0; digits <= 6; digits++)
        {
            yield return ($"TIME({digits})", ["'-00:00:00.5'", "'-00:00:00.000001'", "'-00:00:00'", "'-838:59:59.999999'", "'838:59:59.999999'", "'838:59:58.999999'", "'-838:59:58.9'", "'-00:00:00.999999'", "'-01:00:00'",
                "'-00:59:59.95'", "'24:00:00'", "'-99:59:59.1'", "'100:00:00.000009'"]);
            yield return ($"DATETIME({digits})", ["'0000-00-00'", "'0000-00-00 00:00:00.5'", "'0000-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.4'", "'2023-02-31 23:59:59.999999'",
                "'2026-00-00 12:13:14.000001'", "'1000-01-01 00:00:00.1'", "'2026-12-31 23:59:59.95'", "'0000-00-00 10:11:12'"]);
            yield return ($"TIMESTAMP({digits}) NULL", ["0", "'0000-00-00 00:00:00.5'", "'1970-01-01 00:00:00.5'", "'1970-01-01 00:00:00.000001'", "'1970-01-01 00:00:01'", "'1970-01-01 00:00:01.999999'",
                "'2038-01-19 03:14:07'", "'2038-01-19 03:14:07.999999'", "'2038-01-19 03:14:06.4'", "'2026-03-29 01:30:00.25'", "'2026-10-25 00:30:00'", "'2026-10-25 01:30:00.05'", "'2016-12-31 23:59:60'"]);
        }
    }

    private static IEnumerable<(string Type, string[] Values)> Texts()
    {
        foreach (var charset in (string[])["utf8mb4", "utf8mb3", "latin1", "ascii", "ucs2", "utf16", "utf16le", "utf32", "gbk", "sjis", "big5", "euckr", "ujis", "cp1251", "koi8r"])
        {
            // The dagger is 20 20 in UCS-2: bytes that look like padding. Ġ and ‐ have one such byte.
            string[] values = ["''", "' '", "'   '", "'a '", "' a'", "'ab'", "'abc'", "'ab\t'", "_binary X'6100'", "'a\0 '", "'†'", "'a†'", "'ab†'", "'††'", "'†††'", "'Ġ'", "'abĠ'", "'Ġ††'", "'a–†'", "'–  '", "'　'", "'a　 '", "'é€日'", "'\u00a0'", "'a\u3000\u00a0'"];
            values = [.. values.Select(v => v[0] == '_' ? v : $"CONVERT(X'{Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(v[1..^1]))}' USING utf8mb4)")];
            yield return ($"CHAR(3) CHARACTER SET {charset}", values);
            yield return ($"CHAR(90) CHARACTER SET {charset}", values);
            yield return ($"VARCHAR(300) CHARACTER SET {charset}", values);
            yield return ($"TINYTEXT CHARACTER SET {charset}", values);
            yield return ($"ENUM('', 'a', 'é', 'a b', '†') CHARACTER SET {charset}", ["0", "'nothing'", "''", "1", "2", "3", "4", "5"]);
            yield return ($"SET('a', 'é', 'a b', '†') CHARACTER SET {charset}", ["''", "0", "15", "8", "'nothing'", "5"]);
        }

        yield return ("CHAR(0)", ["''", "'a'"]);
        yield return ("VARCHAR(0)", ["''", "'a'"]);
        yield return ("CHAR(255)", ["REPEAT('😀', 255)", "REPEAT(' ', 255)", "CONCAT(REPEAT('é', 254), ' ')", "'\0'"]);
        yield return ("CHAR(255) CHARACTER SET ucs2", ["REPEAT('†', 255)", "REPEAT(' ', 255)", "REPEAT('Ġ', 255)", "CONCAT(REPEAT('†', 254), 'a')", "''"]);
        yield return ("CHAR(255) CHARACTER SET utf16le", ["REPEAT('†', 255)", "REPEAT('–', 255)", "REPEAT('😀', 255)", "''"]);
        yield return ("ENUM('a','b','c')", ["0", "'nothing'", "1", "3"]);
    }

    private static IEnumerable<(string Type, string[] Values)> Bytes()
    {
        string[] values = ["''", "X'00'", "X'0000'", "X'20'", "X'2020'", "X'6100'", "X'6120'", "X'610020'", "X'FF'", "X'000001'", "X'616200'", "X'FFFFFF'"];
        foreach (var type in (string[])["BINARY(3)", "BINARY(255)", "VARBINARY(3)", "VARBINARY(300)", "TINYBLOB", "BLOB", "LONGBLOB", "CHAR(3) CHARACTER SET binary", "VARCHAR(9) CHARACTER SET binary", "TEXT CHARACTER SET binary", "BINARY(0)", "VARBINARY(0)"])
        {
            yield return (type, values);
        }

        yield return ("GEOMETRY", [
            "ST_GeomFromText('POINT(-0 0)')", "ST_GeomFromText('POINT(1e308 -4.9e-324)')", "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", "ST_GeomFromText('POINT(1 2)', 4326)", "POINT(-0e0, 1)",
            "ST_GeomFromText('MULTIPOLYGON(((0 0,0 3,3 3,3 0,0 0),(1 1,1 2,2 2,2 1,1 1)))')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1),MULTIPOINT(1 2,3 4))', 4326)"]);
    }

    private static IEnumerable<(string Type, string[] Values)> MySqlOnly()
    {
        yield return ("POINT SRID 4326", ["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POINT(-90 180)', 4326)"]);
        yield return ("VECTOR(2)", ["X'0000008000000000'", "X'0100000000000080'", "X'FFFF7F7FFFFF7FFF'"]);
        yield return ("JSON", [
            "'-0'", "'-0.0'", "'[-0, -0.0, 0.0, 0e0, -0e-5, 0]'", "'[1e308, 1.7976931348623157e308, -5e-324, 4.9e-324, 2.2250738585072011e-308]'", "'[18446744073709551615, 18446744073709551616, -9223372036854775808, -9223372036854775809]'",
            "'[123456789012345678901234567890, 0.1e-6, 1e15, 1e16, 1e17, 1e-15, 1e-16, 100000000000000000000.0]'", "'{\"b\": 1, \"a\": 2, \"b\": 3, \"aa\": 4, \"\": 5, \"é\": 6, \"B\": 7}'", "'null'", "'\"\"'", "'{}'", "'[]'", "'[[[[]]]]'", "'true'",
            @"'""\\u0000\\u001f\\u007f\\u2028\\ud83d\\ude00/\\/\\b\\f""'", "'{\"\\\\u0000k\": \"\\\\u0000\"}'", "CAST(-0.00 AS JSON)", "JSON_ARRAY(-0e0, -0.0, CAST('-0.00' AS DECIMAL(10,2)))",
            "JSON_ARRAY(CAST('0000-00-00' AS DATE), DATE'9999-12-31', CAST('0000-00-00 00:00:00' AS DATETIME(6)), TIMESTAMP'9999-12-31 23:59:59.999999', TIME'-00:00:00.5', TIME'-838:59:59', CAST('-00:00:00.000001' AS TIME(6)))",
            "JSON_ARRAY(b'1', b'0', X'00', X'', _binary'a\\0', CAST(X'FF' AS BINARY(4)), CAST(2026 AS YEAR), CAST(0 AS YEAR))", "JSON_ARRAY(TRUE, FALSE, NULL, 1 = 1)", "JSON_ARRAY(1e-400, CAST(0.1 AS FLOAT), CAST(1e-30 AS DECIMAL(65,30)), 123456789012345678901234567890.12345)",
            $"JSON_ARRAY({AllBits}, -9223372036854775808, {ManyNines}, -{ManyNines[..35]}.{ManyNines[..30]})", "JSON_OBJECT('g', ST_GeomFromText('POINT(-0 1.5)'), 'h', ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'))", "JSON_ARRAY(FROM_UNIXTIME(1.5), UTC_TIMESTAMP(6) - INTERVAL 1 DAY, UTC_DATE())",
            "CONCAT('\"', REPEAT('\\\\\\\\u0001', 20000), '\"')", "CONCAT(REPEAT('[', 99), REPEAT(']', 99))", "JSON_ARRAY(_latin1 X'E9', _utf16 X'2020', _gbk X'A1A1')",
            // Bytes of text that MySQL does not convert: the second and third are no UTF-8.
            "JSON_OBJECT('a', _utf16 X'0022005C000A', 'b', _ucs2 X'2020', 'c', _utf32 X'00000061')", "JSON_ARRAY(_utf16 X'00E9')", "JSON_ARRAY(_utf16 X'D83DDE00', CONVERT('é' USING utf32), _utf16le X'2020')"]);
    }

    private static IEnumerable<(string Type, string[] Values)> MariaDbOnly()
    {
        yield return ("YEAR(2)", ["0", "'00'", "1", "69", "70", "99", "2000", "1970", "2069"]);
        yield return ("JSON", ["'-0'", "'[1e400, -0.0, 18446744073709551616]'", "'{\"b\": 1, \"a\" : 2, \"b\": 3}'", "'  null '", "'\"\"'", @"'""\\u0000""'"]);
        yield return ("UUID", ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'20202020-2020-2020-2020-202020202020'", "'00000000-0000-1000-8000-000000000020'", "X'20202020202020202020202020202000'"]);
        yield return ("INET6", ["'::'", "'::1'", "'::ffff:1.2.3.4'", "'::1.2.3.4'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'2020:2020:2020:2020:2020:2020:2020:2020'", "'1:0:0:2:0:0:0:3'", "'::2020'"]);
        yield return ("INET4", ["'0.0.0.0'", "'255.255.255.255'", "'32.32.32.32'", "'1.2.3.32'", "'0.0.0.32'"]);
        yield return ("VARCHAR(300) CHARACTER SET ucs2 COMPRESSED", ["''", "' '", "REPEAT('†', 300)", "'a†'"]);
        yield return ("VARBINARY(300) COMPRESSED", ["''", "X'00'", "X'20'", "REPEAT(X'00', 300)"]);
        yield return ("BLOB COMPRESSED", ["''", "X'00'", "REPEAT(X'20', 3000)"]);
        yield return ("CHAR(3) CHARACTER SET ucs2 COLLATE uca1400_ai_ci", ["'a†'", "'ab†'", "' '"]);
        yield return ("VARCHAR(9) CHARACTER SET utf16 COLLATE uca1400_as_cs", ["'a†'", "'ab†'", "' '"]);
    }
}
