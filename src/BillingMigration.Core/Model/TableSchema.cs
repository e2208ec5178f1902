using System.Collections.Immutable;

namespace BillingMigration.Model;

/// <summary>A source table as the data dictionary describes it.</summary>
public sealed record TableSchema
{
    public required string Database { get; init; }

    public required string Name { get; init; }

    /// <summary>All columns, in ordinal order.</summary>
    public required ImmutableArray<ColumnSchema> Columns { get; init; }

    /// <summary>Column names of the primary key, in key order; empty when there is none.</summary>
    public required ImmutableArray<string> PrimaryKey { get; init; }

    /// <summary>Unique keys other than the primary key.</summary>
    public ImmutableArray<UniqueKeySchema> UniqueKeys { get; init; } = [];

    /// <summary>
    /// Names of unique keys, the primary key among them, that are made of the beginning of a column (<c>UNIQUE (name(10))</c>) or of an expression: the
    /// source refuses more than rows that are equal in whole columns. Those of an expression are not among <see cref="UniqueKeys"/>.
    /// </summary>
    public ImmutableArray<string> PartialKeys { get; init; } = [];

    public ImmutableArray<ForeignKeySchema> ForeignKeys { get; init; } = [];

    /// <summary>The optimizer's estimate of the number of rows.</summary>
    public long EstimatedRows { get; init; }

    /// <summary>The optimizer's estimate of the mean row length in bytes.</summary>
    public long AverageRowBytes { get; init; }

    public string? Engine { get; init; }

    /// <summary>True for a table of MariaDB <c>WITH SYSTEM VERSIONING</c>: the server keeps its deleted and changed rows in the table itself.</summary>
    public bool SystemVersioned { get; init; }

    public ColumnSchema? FindColumn(string name) =>
        Columns.FirstOrDefault(c => string.Equals(c.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Unique keys that hold nothing but whole columns.</summary>
    internal IEnumerable<UniqueKeySchema> WholeUniqueKeys() => UniqueKeys.Where(k => !PartialKeys.Contains(k.Name));
}

public enum GeneratedColumn
{
    No,
    Stored,
    Virtual,
}

/// <summary>A column as <c>information_schema.COLUMNS</c> describes it.</summary>
public sealed record ColumnSchema
{
    public required string Name { get; init; }

    /// <summary>1-based position in the table.</summary>
    public required int Ordinal { get; init; }

    /// <summary><c>DATA_TYPE</c> in lower case: <c>decimal</c>, <c>varchar</c>, <c>datetime</c> …</summary>
    public required string DataType { get; init; }

    /// <summary><c>COLUMN_TYPE</c>: <c>bigint(20) unsigned</c>, <c>enum('a','b')</c> …</summary>
    public required string ColumnType { get; init; }

    public required bool Nullable { get; init; }

    public bool Unsigned { get; init; }

    /// <summary>Digits of a DECIMAL (1 to 65), or bits of a BIT (1 to 64).</summary>
    public int Precision { get; init; }

    /// <summary>Decimals of a DECIMAL, 0 to 38.</summary>
    public int Scale { get; init; }

    /// <summary>Fractional second digits of TIME, DATETIME and TIMESTAMP, 0 to 6.</summary>
    public int FractionalDigits { get; init; }

    /// <summary>True for TIME, DATETIME and TIMESTAMP of MariaDB: further digits of a second are cut off, where MySQL rounds.</summary>
    public bool CutsFractions { get; init; }

    /// <summary>Maximum length in characters, or in bytes for binary types.</summary>
    public long? MaxLength { get; init; }

    /// <summary>Null for types that hold no text.</summary>
    public string? CharacterSet { get; init; }

    public string? Collation { get; init; }

    public GeneratedColumn Generated { get; init; }

    public bool AutoIncrement { get; init; }

    /// <summary>True for <c>ON UPDATE CURRENT_TIMESTAMP</c>: the server changes it with every change of the row.</summary>
    public bool UpdatedAutomatically { get; init; }

    /// <summary>The default: a literal's text without quotes, or an expression; null for NULL and for none.</summary>
    public string? Default { get; init; }

    /// <summary>True when <see cref="Default"/> is an expression (<c>CURRENT_TIMESTAMP(6)</c>, <c>uuid()</c>), not a literal.</summary>
    public bool DefaultIsExpression { get; init; }

    /// <summary>True when a row can be inserted without naming the column: it has a default, or may be NULL.</summary>
    public bool HasDefault { get; init; }

    /// <summary>
    /// Member names of an ENUM or SET, unquoted, in declaration order; else empty. The servers' data dictionary keeps three bytes a
    /// character: a character beyond U+FFFF reads as <c>?</c>, in SHOW CREATE TABLE as well (seen on MySQL 9.7 and MariaDB 10.11).
    /// </summary>
    public ImmutableArray<string> Members { get; init; } = [];
}

public sealed record UniqueKeySchema(string Name, ImmutableArray<string> Columns);

/// <param name="Name">Constraint name.</param>
/// <param name="Columns">Referencing columns, in key order.</param>
/// <param name="ReferencedTable">Referenced table.</param>
/// <param name="ReferencedColumns">Referenced columns, in key order.</param>
/// <param name="OnDelete"><c>RESTRICT</c>, <c>CASCADE</c>, <c>SET NULL</c>, <c>NO ACTION</c>.</param>
/// <param name="OnUpdate">As <paramref name="OnDelete"/>.</param>
public sealed record ForeignKeySchema(
    string Name, ImmutableArray<string> Columns, string ReferencedTable, ImmutableArray<string> ReferencedColumns, string OnDelete, string OnUpdate)
{
    /// <summary>Database of the referenced table; null: the same.</summary>
    public string? ReferencedDatabase { get; init; }

    /// <summary>True when a change of the referenced row changes rows of this table.</summary>
    public bool ActsUnseen => Acts(OnDelete) || Acts(OnUpdate);

    internal static bool Acts(string rule) => rule is "CASCADE" or "SET NULL" or "SET DEFAULT";
}
