namespace BillingMigration.Model;

/// <summary>Families of source column types, by <see cref="ColumnSchema.DataType"/>.</summary>
internal static class ColumnTypes
{
    public static bool IsInteger(this ColumnSchema column) => column.DataType is "tinyint" or "smallint" or "mediumint" or "int" or "bigint";

    public static bool IsNumeric(this ColumnSchema column) => column.IsInteger() || column.DataType is "decimal" or "float" or "double" or "year" or "bit";

    public static bool IsDate(this ColumnSchema column) => column.DataType is "date" or "datetime" or "timestamp";

    public static bool IsShortText(this ColumnSchema column) => column.DataType is "char" or "varchar";

    public static bool IsShortBinary(this ColumnSchema column) => column.DataType is "binary" or "varbinary";

    public static bool IsSpatial(this ColumnSchema column) => column.DataType
        is "geometry" or "point" or "linestring" or "polygon" or "multipoint" or "multilinestring" or "multipolygon" or "geometrycollection" or "geomcollection";

    public static bool IsBinary(this ColumnSchema column) =>
        column.IsShortBinary() || column.IsSpatial() || column.DataType is "tinyblob" or "blob" or "mediumblob" or "longblob" or "vector";

    /// <summary>MariaDB's types with a canonical text of fixed form.</summary>
    public static bool IsIdentifier(this ColumnSchema column) => column.DataType is "uuid" or "inet4" or "inet6";

    /// <summary>
    /// Types a key may be built from: short, exact and with one text a value. Long texts and documents are not, nor are floating-point
    /// numbers, bit fields and shapes.
    /// </summary>
    public static bool CanBeKey(this ColumnSchema column) =>
        column.IsInteger() || column.IsDate() || column.IsShortText() || column.IsShortBinary() || column.IsIdentifier()
        || column.DataType is "decimal" or "enum" or "set" or "year" or "time";

    /// <summary>Types that can be spread over shards.</summary>
    public static bool CanBeSharded(this ColumnSchema column) => column.IsInteger() || column.IsShortText() || column.IsShortBinary() || column.IsIdentifier();
}
