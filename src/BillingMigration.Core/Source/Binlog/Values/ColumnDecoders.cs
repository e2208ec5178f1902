using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>Chooses the decoder of a column: its type in the binlog says how the bytes stand there, the schema what they mean.</summary>
internal static class ColumnDecoders
{
    private const int LongString = 256;

    /// <summary>For a column that is not migrated.</summary>
    /// <param name="schema">Null when the table no longer has it.</param>
    public static ValueDecoder ForSkipping(TableMapColumn column, ColumnSchema? schema) => Hires(column, schema) ?? Fixed(column, schema, unsigned: false) ?? (ValueDecoder)(column.Type switch
    {
        BinlogColumnType.Enum => new EnumDecoder(EnumBytes(column), []),
        BinlogColumnType.Set => new SetDecoder(SetBytes(column), []),
        _ => new BytesDecoder(LengthBytes(column)),
    });

    /// <exception cref="MigrationException"><c>TableLayoutUnknown</c>: the column has another type than the schema says.</exception>
    /// <param name="isExact">It is a text of a key: see <see cref="EntityModel.ExactTexts"/>.</param>
    public static ValueDecoder For(TableMapColumn column, ColumnSchema schema, CharsetTable charsets, bool isExact)
    {
        if ((Hires(column, schema) ?? Fixed(column, schema, column.Unsigned ?? schema.Unsigned)) is { } known)
        {
            return known;
        }

        switch (column.Type)
        {
            case BinlogColumnType.Enum:
                return new EnumDecoder(EnumBytes(column), Members(column, schema, charsets));
            case BinlogColumnType.Set:
                return new SetDecoder(SetBytes(column), Members(column, schema, charsets));
            case BinlogColumnType.Json:
                return new JsonDecoder(LengthBytes(column), charsets.PrintsOpaqueStrings);
            case BinlogColumnType.VarCharCompressed or BinlogColumnType.BlobCompressed:
                return new CompressedDecoder(LengthBytes(column), Text(4, column, schema, charsets, isExact));
            case BinlogColumnType.String when schema.IsIdentifier():
                return new IdentifierDecoder(LengthBytes(column), schema.DataType);
            case BinlogColumnType.String when schema.DataType == "binary" || (schema.DataType == "char" && schema.CharacterSet == "binary"):
                return new BinaryDecoder(LengthBytes(column), column.Metadata);
            default:
                return Text(LengthBytes(column), column, schema, charsets, isExact);
        }
    }

    /// <summary>True when rows of this binlog type can be values of such a column.</summary>
    public static bool Fits(TableMapColumn column, ColumnSchema schema) => schema.DataType switch
    {
        "tinyint" => column.Type == BinlogColumnType.Tiny,
        "smallint" => column.Type == BinlogColumnType.Short,
        "mediumint" => column.Type == BinlogColumnType.Int24,
        "int" or "integer" => column.Type == BinlogColumnType.Long,
        "bigint" => column.Type == BinlogColumnType.LongLong,
        "decimal" or "numeric" => column.Type == BinlogColumnType.NewDecimal && column.Metadata == ((schema.Precision << 8) | schema.Scale),
        "float" => column.Type == BinlogColumnType.Float,
        "double" or "real" => column.Type == BinlogColumnType.Double,
        "bit" => column.Type == BinlogColumnType.Bit && column.Metadata == schema.Precision,
        "year" => column.Type == BinlogColumnType.Year,
        "date" => column.Type is BinlogColumnType.Date or BinlogColumnType.NewDate,
        "time" => FitsTime(column, BinlogColumnType.Time2, BinlogColumnType.Time, schema),
        "datetime" => FitsTime(column, BinlogColumnType.DateTime2, BinlogColumnType.DateTime, schema),
        "timestamp" => FitsTime(column, BinlogColumnType.Timestamp2, BinlogColumnType.Timestamp, schema),
        "enum" => column.Type == BinlogColumnType.Enum,
        "set" => column.Type == BinlogColumnType.Set,
        "char" or "binary" or "uuid" or "inet4" or "inet6" => column.Type == BinlogColumnType.String,
        "varchar" or "varbinary" => column.Type is BinlogColumnType.VarChar or BinlogColumnType.VarString or BinlogColumnType.VarCharCompressed,
        "json" => column.Type is BinlogColumnType.Json or BinlogColumnType.Blob,
        "vector" => column.Type is BinlogColumnType.Vector or BinlogColumnType.VarChar,
        _ when schema.IsSpatial() => column.Type == BinlogColumnType.Geometry,
        _ => column.Type is BinlogColumnType.Blob or BinlogColumnType.TinyBlob or BinlogColumnType.MediumBlob or BinlogColumnType.LongBlob or BinlogColumnType.BlobCompressed,
    };

    // Tables from before 5.6 keep their old types, without a fraction on MySQL.
    private static bool FitsTime(TableMapColumn column, BinlogColumnType type, BinlogColumnType old, ColumnSchema schema) =>
        (column.Type == type && column.Metadata == schema.FractionalDigits) || (column.Type == old && (schema.FractionalDigits == 0 || IsHires(schema)));

    private static bool IsHires(ColumnSchema schema) => schema.FractionalDigits > 0 && schema.ColumnType.Contains("mariadb-5.3", StringComparison.Ordinal);

    private static FixedDecoder? Hires(TableMapColumn column, ColumnSchema? schema) => schema is null || !IsHires(schema) ? null : column.Type switch
    {
        BinlogColumnType.Time => new HiresTimeDecoder(schema.FractionalDigits),
        BinlogColumnType.DateTime => new HiresDateTimeDecoder(schema.FractionalDigits),
        BinlogColumnType.Timestamp => new HiresTimestampDecoder(schema.FractionalDigits),
        _ => null,
    };

    private static FixedDecoder? Fixed(TableMapColumn column, ColumnSchema? schema, bool unsigned) => column.Type switch
    {
        BinlogColumnType.Tiny => Integer(1, unsigned),
        BinlogColumnType.Short => Integer(2, unsigned),
        BinlogColumnType.Int24 => Integer(3, unsigned),
        BinlogColumnType.Long => Integer(4, unsigned),
        BinlogColumnType.LongLong => Integer(8, unsigned),
        BinlogColumnType.Float => new FloatDecoder(),
        BinlogColumnType.Double => new DoubleDecoder(),
        BinlogColumnType.NewDecimal => new DecimalDecoder(column.Metadata >> 8, column.Metadata & 0xFF),
        BinlogColumnType.Bit => new BitDecoder(column.Metadata is > 0 and <= 64 ? column.Metadata : throw EventErrors.Unreadable($"a BIT has {column.Metadata} bits")),
        BinlogColumnType.Year => new YearDecoder(schema?.ColumnType.StartsWith("year(2)", StringComparison.OrdinalIgnoreCase) == true),
        BinlogColumnType.Date or BinlogColumnType.NewDate => new DateDecoder(),
        BinlogColumnType.Time2 => new Time2Decoder(column.Metadata),
        BinlogColumnType.DateTime2 => new DateTime2Decoder(column.Metadata),
        BinlogColumnType.Timestamp2 => new Timestamp2Decoder(column.Metadata),
        BinlogColumnType.Time => new OldTimeDecoder(),
        BinlogColumnType.DateTime => new OldDateTimeDecoder(),
        BinlogColumnType.Timestamp => new OldTimestampDecoder(),
        _ => null,
    };

    private static FixedDecoder Integer(int bytes, bool unsigned) => unsigned ? new UnsignedDecoder(bytes) : new SignedDecoder(bytes);

    private static LengthDecoder Text(int lengthBytes, TableMapColumn column, ColumnSchema schema, CharsetTable charsets, bool isExact)
    {
        var isBinary = AttributeForms.For(schema, null) == AttributeForm.Binary;
        var charset = isBinary ? "binary" : CharsetOf(column, schema, charsets);
        return CharsetTable.IsUtf8(charset) ? new BytesDecoder(lengthBytes) : new TextDecoder(lengthBytes, charsets[charset], schema.DataType == "char", isExact);
    }

    // The event's is that of the moment when the row was written.
    private static string CharsetOf(TableMapColumn column, ColumnSchema schema, CharsetTable charsets) =>
        (column.CollationId is { } id ? charsets.NameOf(id) : null) ?? schema.CharacterSet ?? "utf8mb4";

    private static byte[][] Members(TableMapColumn column, ColumnSchema schema, CharsetTable charsets)
    {
        if (column.Members.IsEmpty)
        {
            return [.. schema.Members.Select(Encoding.UTF8.GetBytes)];
        }

        var charset = CharsetOf(column, schema, charsets);
        if (CharsetTable.IsUtf8(charset))
        {
            return [.. column.Members];
        }

        return [.. column.Members.Select(m =>
        {
            var text = new byte[charsets[charset].MostUtf8Bytes(m.Length)];
            return text[..charsets[charset].ToUtf8(m, text)];
        })];
    }

    private static int EnumBytes(TableMapColumn column) => column.Metadata is 1 or 2 ? column.Metadata : throw EventErrors.Unreadable("an ENUM has an impossible length");

    private static int SetBytes(TableMapColumn column) => column.Metadata is >= 1 and <= 8 ? column.Metadata : throw EventErrors.Unreadable("a SET has an impossible length");

    private static int LengthBytes(TableMapColumn column) => column.Type switch
    {
        BinlogColumnType.String or BinlogColumnType.VarChar or BinlogColumnType.VarString or BinlogColumnType.VarCharCompressed => column.Metadata < LongString ? 1 : 2,
        _ => column.Metadata is >= 1 and <= 4 ? column.Metadata : throw EventErrors.Unreadable($"a column of type {column.Type} has lengths of {column.Metadata} bytes"),
    };
}
