namespace BillingMigration.Tests.Source;

/// <summary>Every column type of the servers with values at its limits.</summary>
internal static class TypeCases
{
    /// <summary>Column type, value as SQL, attribute as DynamoDB JSON.</summary>
    private static readonly (string Type, string Sql, string Attribute)[] Both =
    [
        ("TINYINT", "-128", "N:-128"),
        ("TINYINT(1)", "1", "N:1"),
        ("SMALLINT UNSIGNED", "65535", "N:65535"),
        ("MEDIUMINT", "-8388608", "N:-8388608"),
        ("INT(10) UNSIGNED ZEROFILL", "42", "N:42"),
        ("BIGINT", "-9223372036854775808", "N:-9223372036854775808"),
        ("BIGINT UNSIGNED", "18446744073709551615", "N:18446744073709551615"),
        ("DECIMAL(14,4)", "-10.5000", "N:-10.5"),
        ("DECIMAL(14,4)", "0", "N:0"),
        ("DECIMAL(38,30)", "12345678.123456789012345678901234567891", "N:12345678.123456789012345678901234567891"),
        ("DECIMAL(38,0)", "99999999999999999999999999999999999999", "N:99999999999999999999999999999999999999"),
        ("DECIMAL(65,30)", "-12345678901234567890123456789012345.100000000000000000000000000001", "S:-12345678901234567890123456789012345.100000000000000000000000000001"),
        ("FLOAT", "0.1", "N:0.1"),
        ("FLOAT", "16777217", "N:16777216"),
        ("FLOAT", "3.4028235e38", "N:340282350000000000000000000000000000000"),
        ("DOUBLE", "0.1", "N:0.1"),
        ("DOUBLE", "0.30000000000000004", "N:0.30000000000000004"),
        ("DOUBLE", "1.7976931348623157e100", "N:17976931348623157" + "000000000000000000000000000000000000000000000000000000000000000000000000000000000000"),
        ("DOUBLE", "-2.2250738585072013e-100", "N:-0." + "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" + "22250738585072013"),
        ("DOUBLE(10,2)", "12.30", "N:12.3"),
        ("BIT(1)", "b'1'", "N:1"),
        ("BIT(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "N:18446744073709551615"),
        ("YEAR", "2155", "N:2155"),
        ("YEAR", "0", "N:0"),
        ("DATE", "'2026-02-28'", "S:2026-02-28"),
        ("DATE", "'0000-00-00'", "S:0000-00-00"),
        ("DATE", "'2026-00-00'", "S:2026-00-00"),
        ("TIME", "'-838:59:59'", "S:-838:59:59"),
        ("TIME(6)", "'-00:00:00.000001'", "S:-00:00:00.000001"),
        ("TIME(3)", "'26:00:00.5'", "S:26:00:00.500"),
        ("DATETIME", "'1000-01-01 00:00:00'", "S:1000-01-01T00:00:00"),
        ("DATETIME(6)", "'9999-12-31 23:59:59.999999'", "S:9999-12-31T23:59:59.999999"),
        ("DATETIME(6)", "'0000-00-00 00:00:00'", "S:0000-00-00T00:00:00.000000"),
        ("TIMESTAMP(3) NULL", "'2038-01-19 03:14:07.250'", "S:2038-01-19T03:14:07.250Z"),
        ("TIMESTAMP NULL", "'0000-00-00 00:00:00'", "S:0000-00-00T00:00:00Z"),
        ("CHAR(10)", "'ab  '", "S:ab"),
        ("VARCHAR(40)", "'ab  '", "S:ab  "),
        ("VARCHAR(40)", "''", "S:"),
        ("VARCHAR(40) CHARACTER SET utf8mb4", "_utf8mb4 X'F09F9880C3A90A22'", "S:😀é\n\""),
        ("VARCHAR(40) CHARACTER SET latin1", "_latin1 X'E9FC80'", "S:éü€"),
        ("VARCHAR(40) CHARACTER SET utf16", "_utf8mb4 X'F09F9880'", "S:😀"),
        ("VARCHAR(40) CHARACTER SET cp1251", "_cp1251 X'CFF0E8'", "S:При"),
        ("VARCHAR(40) CHARACTER SET sjis", "_utf8mb4 X'E697A5E69CAC'", "S:日本"),
        ("TEXT", "REPEAT('x', 70)", "S:" + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("LONGTEXT CHARACTER SET latin1", "_latin1 X'E9'", "S:é"),
        ("ENUM('a','b''c','d,é')", "'d,é'", "S:d,é"),
        ("ENUM('a','b''c','d,é')", "2", "S:b'c"),
        ("SET('x','y','z')", "'z,x'", "S:x,z"),
        ("SET('x','y','z')", "''", "S:"),
        ("BINARY(4)", "X'0102'", "B:01020000"),
        ("BINARY(4)", "X'01020020'", "B:01020020"),
        ("VARBINARY(10)", "X'00FF2000'", "B:00FF2000"),
        ("VARBINARY(10)", "''", "B:"),
        ("BLOB", "X'DEADBEEF'", "B:DEADBEEF"),
        ("VARCHAR(10) CHARACTER SET binary", "X'FF'", "B:FF"),
        ("JSON", "'{\"b\": 1.10, \"a\": [12345678901234567890, \"é\"]}'", ""),
        ("POINT", "ST_GeomFromText('POINT(1 2)')", "B:000000000101000000000000000000F03F0000000000000040"),
    ];

    private static readonly (string Type, string Sql, string Attribute)[] MySqlOnly =
    [
        ("JSON", "'[1.10, 18446744073709551615, 1e2, true, null, {}]'", "S:[1.1, 18446744073709551615, 100.0, true, null, {}]"),
        ("VECTOR(2)", "X'0000803F00000040'", "B:0000803F00000040"),
    ];

    private static readonly (string Type, string Sql, string Attribute)[] MariaDbOnly =
    [
        ("JSON", "'[1.10,  18446744073709551615]'", "S:[1.10,  18446744073709551615]"),
        ("UUID", "'123E4567-E89B-12D3-A456-426655440000'", "S:123e4567-e89b-12d3-a456-426655440000"),
        ("INET6", "'2001:db8::ff00:42:8329'", "S:2001:db8::ff00:42:8329"),
        ("INET4", "'192.0.2.1'", "S:192.0.2.1"),
    ];

    public static (string Type, string Sql, string Attribute)[] Of(bool mariaDb) => [.. Both, .. mariaDb ? MariaDbOnly : MySqlOnly];
}
