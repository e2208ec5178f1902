using System.Collections.Immutable;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// Reads TABLE_MAP events (https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Table__map__event.html), with the optional metadata
/// that MySQL 8.0 and MariaDB 10.5 write.
/// </summary>
internal static class TableMapParser
{
    /// <summary>MySQL's limit of columns in a table.</summary>
    private const int MostColumns = 4096;

    private enum MetadataField : byte
    {
        Signedness = 1,
        DefaultCharset = 2,
        ColumnCharset = 3,
        ColumnName = 4,
        SetMembers = 5,
        EnumMembers = 6,
        EnumAndSetDefaultCharset = 10,
        EnumAndSetColumnCharset = 11,
    }

    /// <summary>What is known of a column while its event is read.</summary>
    private sealed class Draft
    {
        public BinlogColumnType Type { get; set; }

        public int Metadata { get; set; }

        public bool? Unsigned { get; set; }

        public int? Collation { get; set; }

        public string? Name { get; set; }

        public ImmutableArray<byte[]> Members { get; set; } = [];

        public bool IsNumeric => Type is BinlogColumnType.Tiny or BinlogColumnType.Short or BinlogColumnType.Int24 or BinlogColumnType.Long
            or BinlogColumnType.LongLong or BinlogColumnType.NewDecimal or BinlogColumnType.Float or BinlogColumnType.Double;

        public bool IsText => Type is BinlogColumnType.String or BinlogColumnType.VarString or BinlogColumnType.VarChar or BinlogColumnType.Blob
            or BinlogColumnType.TinyBlob or BinlogColumnType.MediumBlob or BinlogColumnType.LongBlob
            or BinlogColumnType.VarCharCompressed or BinlogColumnType.BlobCompressed;

        public bool IsShape => Type == BinlogColumnType.Geometry;

        public bool IsVector => Type == BinlogColumnType.Vector;

        public bool IsEnumOrSet => Type is BinlogColumnType.Enum or BinlogColumnType.Set;
    }

    /// <param name="body">Behind table id and flags.</param>
    /// <param name="mariaDb">MariaDB wrote it.</param>
    public static TableMap Parse(ulong tableId, ReadOnlySpan<byte> body, bool mariaDb)
    {
        var reader = new EventReader(body);
        var database = Name(ref reader);
        var table = Name(ref reader);
        var count = reader.PackedLength();
        if (count is 0 or > MostColumns)
        {
            throw EventErrors.Unreadable($"a table has {count} columns");
        }

        var drafts = new Draft[count];
        var types = reader.Bytes(count);
        var metadata = new EventReader(reader.Bytes(reader.PackedLength()));
        for (var i = 0; i < count; i++)
        {
            drafts[i] = Describe((BinlogColumnType)types[i], ref metadata);
        }

        var nullable = reader.Bytes((count + 7) / 8);
        while (reader.Left > 0)
        {
            var field = (MetadataField)reader.Byte();
            ReadOptional(field, new EventReader(reader.Bytes(reader.PackedLength())), drafts, mariaDb);
        }

        var columns = ImmutableArray.CreateBuilder<TableMapColumn>(count);
        for (var i = 0; i < count; i++)
        {
            var d = drafts[i];
            columns.Add(new TableMapColumn(d.Type, d.Metadata, (nullable[i >> 3] & (1 << (i & 7))) != 0, d.Unsigned, d.Collation, d.Name, d.Members));
        }

        return new TableMap { TableId = tableId, Database = database, Table = table, Columns = columns.MoveToImmutable() };
    }

    private static string Name(ref EventReader reader)
    {
        var name = reader.Text(reader.PackedLength());
        reader.Byte();
        return name;
    }

    private static Draft Describe(BinlogColumnType type, ref EventReader metadata)
    {
        switch (type)
        {
            case BinlogColumnType.Float or BinlogColumnType.Double or BinlogColumnType.Blob or BinlogColumnType.TinyBlob or BinlogColumnType.MediumBlob
                or BinlogColumnType.LongBlob or BinlogColumnType.Geometry or BinlogColumnType.Json or BinlogColumnType.Vector or BinlogColumnType.BlobCompressed
                or BinlogColumnType.Time2 or BinlogColumnType.DateTime2 or BinlogColumnType.Timestamp2:
                return new Draft { Type = type, Metadata = metadata.Byte() };
            case BinlogColumnType.VarChar or BinlogColumnType.VarString or BinlogColumnType.VarCharCompressed:
                return new Draft { Type = type, Metadata = metadata.UInt16() };
            case BinlogColumnType.NewDecimal:
                return new Draft { Type = type, Metadata = (metadata.Byte() << 8) | metadata.Byte() };
            case BinlogColumnType.Bit:
                var bits = metadata.Byte();
                return new Draft { Type = type, Metadata = (metadata.Byte() * 8) + bits };
            case BinlogColumnType.String or BinlogColumnType.Enum or BinlogColumnType.Set:
                return DescribeString(metadata.Byte(), metadata.Byte());
            case BinlogColumnType.Tiny or BinlogColumnType.Short or BinlogColumnType.Int24 or BinlogColumnType.Long or BinlogColumnType.LongLong
                or BinlogColumnType.Null or BinlogColumnType.Timestamp or BinlogColumnType.Date or BinlogColumnType.NewDate or BinlogColumnType.Time
                or BinlogColumnType.DateTime or BinlogColumnType.Year:
                return new Draft { Type = type };
            default:
                throw EventErrors.Unreadable($"a column has the type {(byte)type}, which this version does not know");
        }
    }

    // CHAR of more than 255 bytes puts two bits of its length, inverted, into the byte of the real type (MySQL bug 37426).
    private static Draft DescribeString(int first, int second)
    {
        var real = (BinlogColumnType)(first | 0x30);
        return (first & 0x30) == 0x30 && (BinlogColumnType)first is (BinlogColumnType.Enum or BinlogColumnType.Set) and var members
            ? new Draft { Type = members, Metadata = second }
            : real == BinlogColumnType.String
                ? new Draft { Type = real, Metadata = second | (((first & 0x30) ^ 0x30) << 4) }
                : throw EventErrors.Unreadable($"a string column has the real type {first}");
    }

    private static void ReadOptional(MetadataField field, EventReader value, Draft[] columns, bool mariaDb)
    {
        // Seen on MySQL 9.7 and MariaDB 10.11: vectors count as text on the one, shapes on the other, both with the character set binary.
        bool HasCharset(Draft column) => column.IsText || (mariaDb ? column.IsShape : column.IsVector);
        switch (field)
        {
            case MetadataField.Signedness:
                var number = 0;
                foreach (var column in columns.Where(c => c.IsNumeric))
                {
                    column.Unsigned = Bit(value.Rest, number++);
                }

                break;
            case MetadataField.DefaultCharset:
                ReadDefaultCharset(ref value, [.. columns.Where(HasCharset)]);
                break;
            case MetadataField.ColumnCharset:
                ReadCharsets(ref value, columns.Where(HasCharset));
                break;
            case MetadataField.EnumAndSetDefaultCharset:
                ReadDefaultCharset(ref value, [.. columns.Where(c => c.IsEnumOrSet)]);
                break;
            case MetadataField.EnumAndSetColumnCharset:
                ReadCharsets(ref value, columns.Where(c => c.IsEnumOrSet));
                break;
            case MetadataField.ColumnName:
                foreach (var column in columns)
                {
                    column.Name = value.Text(value.PackedLength());
                }

                break;
            case MetadataField.SetMembers:
                ReadMembers(ref value, columns.Where(c => c.Type == BinlogColumnType.Set));
                break;
            case MetadataField.EnumMembers:
                ReadMembers(ref value, columns.Where(c => c.Type == BinlogColumnType.Enum));
                break;
        }
    }

    private static bool Bit(ReadOnlySpan<byte> bits, int index) =>
        index >> 3 < bits.Length ? (bits[index >> 3] & (0x80 >> (index & 7))) != 0 : throw EventErrors.Unreadable("the signs of the columns are cut short");

    private static void ReadDefaultCharset(ref EventReader value, Draft[] columns)
    {
        var common = value.PackedLength();
        foreach (var column in columns)
        {
            column.Collation = common;
        }

        while (value.Left > 0)
        {
            var index = value.PackedLength();
            if (index >= columns.Length)
            {
                throw EventErrors.Unreadable("a character set is given for a column that is not there");
            }

            columns[index].Collation = value.PackedLength();
        }
    }

    private static void ReadCharsets(ref EventReader value, IEnumerable<Draft> columns)
    {
        foreach (var column in columns)
        {
            column.Collation = value.PackedLength();
        }
    }

    private static void ReadMembers(ref EventReader value, IEnumerable<Draft> columns)
    {
        foreach (var column in columns)
        {
            var count = value.PackedLength();
            if (count > value.Left)
            {
                throw EventErrors.Unreadable("the members of an ENUM or SET are cut short");
            }

            var members = ImmutableArray.CreateBuilder<byte[]>(count);
            for (var i = 0; i < count; i++)
            {
                members.Add(value.Bytes(value.PackedLength()).ToArray());
            }

            column.Members = members.MoveToImmutable();
        }
    }
}
