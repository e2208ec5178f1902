using System.Collections.Immutable;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// A column as a TABLE_MAP event describes it. What is null is known with <c>binlog_row_metadata=FULL</c> only (sign and character sets with
/// MINIMAL as well).
/// </summary>
/// <param name="Type">
/// The type as stored: CHAR, ENUM and SET all come as STRING with the real type in the metadata and are told apart here
/// (<see cref="BinlogColumnType.String"/>, <see cref="BinlogColumnType.Enum"/>, <see cref="BinlogColumnType.Set"/>).
/// </param>
/// <param name="Metadata">
/// By type: maximum bytes (VARCHAR, CHAR, BINARY), length bytes (BLOB types, JSON, GEOMETRY, VECTOR), <c>precision &lt;&lt; 8 | scale</c> (DECIMAL), fractional digits
/// (TIME2, DATETIME2, TIMESTAMP2), bytes of a value (ENUM, SET, FLOAT, DOUBLE), number of bits (BIT), else 0.
/// </param>
/// <param name="Nullable">May be NULL.</param>
/// <param name="Unsigned">For numeric types; null when the event does not say.</param>
/// <param name="CollationId">For character types, ENUM and SET; null when the event does not say. 63 is binary.</param>
/// <param name="Name">Column name, UTF-8.</param>
/// <param name="Members">Member names of ENUM and SET as bytes in the column's character set, in declaration order.</param>
public sealed record TableMapColumn(
    BinlogColumnType Type, int Metadata, bool Nullable, bool? Unsigned, int? CollationId, string? Name, ImmutableArray<byte[]> Members);

/// <summary>Layout of the rows that follow (TABLE_MAP_EVENT). The same instance comes again as long as the server's bytes are the same.</summary>
public sealed class TableMap
{
    public required ulong TableId { get; init; }

    public required string Database { get; init; }

    public required string Table { get; init; }

    public required ImmutableArray<TableMapColumn> Columns { get; init; }

    /// <summary>True with <c>binlog_row_metadata=FULL</c>.</summary>
    public bool HasNames => Columns.Length > 0 && Columns[0].Name is not null;
}
