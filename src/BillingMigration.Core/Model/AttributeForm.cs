using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>How the value of a column stands in its attribute. The table in <c>docs/type-mapping.md</c> is this enumeration in prose.</summary>
public enum AttributeForm
{
    /// <summary>N: integer types, BIT and YEAR, as plain digits.</summary>
    Integer,

    /// <summary>N: DECIMAL; plain notation without trailing zeros.</summary>
    Decimal,

    /// <summary>N: FLOAT and DOUBLE; shortest digits that read back as the same value, plain notation.</summary>
    Single,
    Double,

    /// <summary>S: a number as text, where the definition or DynamoDB's range asks for it.</summary>
    NumberText,
    SingleText,
    DoubleText,

    /// <summary>S: <c>2026-01-31</c>, zero parts kept.</summary>
    Date,

    /// <summary>S: <c>2026-01-31T23:59:59.123456</c> with the column's fractional digits.</summary>
    DateTime,

    /// <summary>S: as <see cref="DateTime"/>, in UTC, with <c>Z</c>.</summary>
    Timestamp,

    /// <summary>S: <c>-838:59:59.000000</c>.</summary>
    Time,

    /// <summary>S: character types, ENUM, SET, JSON, UUID, INET.</summary>
    Text,

    /// <summary>B: binary types, GEOMETRY, VECTOR.</summary>
    Binary,
}

/// <summary>Chooses the attribute form of a column.</summary>
public static class AttributeForms
{
    /// <summary>Significant digits that a DynamoDB number holds.</summary>
    public const int MaxNumberDigits = 38;

    /// <returns>The form, or null for a column type that has none.</returns>
    public static AttributeForm? For(ColumnSchema column, AttributeType? type) => column.DataType switch
    {
        "tinyint" or "smallint" or "mediumint" or "int" or "integer" or "bigint" or "bit" or "year" =>
            type == AttributeType.S ? AttributeForm.NumberText : AttributeForm.Integer,
        "decimal" or "numeric" => (type ?? (column.Precision > MaxNumberDigits ? AttributeType.S : AttributeType.N)) == AttributeType.S
            ? AttributeForm.NumberText
            : AttributeForm.Decimal,
        "float" => type == AttributeType.S ? AttributeForm.SingleText : AttributeForm.Single,
        "double" or "real" => type == AttributeType.S ? AttributeForm.DoubleText : AttributeForm.Double,
        "date" => AttributeForm.Date,
        "datetime" => AttributeForm.DateTime,
        "timestamp" => AttributeForm.Timestamp,
        "time" => AttributeForm.Time,
        "char" or "varchar" or "tinytext" or "text" or "mediumtext" or "longtext" or "enum" or "set" or "json" or "uuid" or "inet4" or "inet6" =>
            column.CharacterSet == "binary" ? AttributeForm.Binary : AttributeForm.Text,
        "binary" or "varbinary" or "tinyblob" or "blob" or "mediumblob" or "longblob" or "vector" or "geometry" or "point" or "linestring" or "polygon"
            or "multipoint" or "multilinestring" or "multipolygon" or "geometrycollection" or "geomcollection" => AttributeForm.Binary,
        _ => null,
    };

    /// <summary>The DynamoDB type of a form.</summary>
    public static AttributeType TypeOf(AttributeForm form) => form switch
    {
        AttributeForm.Integer or AttributeForm.Decimal or AttributeForm.Single or AttributeForm.Double => AttributeType.N,
        AttributeForm.Binary => AttributeType.B,
        _ => AttributeType.S,
    };
}
