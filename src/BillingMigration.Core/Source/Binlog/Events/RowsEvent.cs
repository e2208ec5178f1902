using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

public enum RowsKind
{
    Insert,
    Update,
    Delete,
}

/// <summary>Reads the images of a table's rows; bound to the table's layout.</summary>
public interface IRowImageReader
{
    /// <summary>Decodes one image.</summary>
    /// <param name="present">Bitmap of the table's columns that the image has.</param>
    /// <returns>Bytes of the image.</returns>
    int Decode(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present, RowBuffer row);

    /// <summary>Decodes an after-image of PARTIAL_UPDATE_ROWS: JSON columns may be differences to the before-image.</summary>
    /// <param name="image">From the image's value options on.</param>
    int DecodePartial(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present, ReadOnlySpan<byte> before, ReadOnlySpan<byte> beforePresent, RowBuffer row);
}

/// <summary>Rows of one table that a statement inserted, updated or deleted, or a part of them.</summary>
public sealed class RowsEvent : BinlogEvent
{
    private const int StatementEnd = 0x01;
    private const int NoForeignKeyChecks = 0x02;
    private const int ForeignKeysInSql = 0x10;

    private ReadOnlyMemory<byte> data;
    private ReadOnlyMemory<byte> present;
    private ReadOnlyMemory<byte> presentAfter;
    private bool partial;
    private int at;

    public TableMap Table { get; private set; } = null!;

    public RowsKind Kind { get; private set; }

    public int Flags { get; private set; }

    /// <summary>The last event of its statement.</summary>
    public bool EndsStatement => (Flags & StatementEnd) != 0;

    /// <summary>MySQL 9.6 and later: rows that foreign keys change are logged themselves, in this transaction and before their parent's.</summary>
    public bool LogsCascades => (Flags & ForeignKeysInSql) != 0;

    /// <summary>The session had <c>foreign_key_checks=0</c>: no other rows were changed by foreign keys.</summary>
    public bool IgnoresForeignKeys => (Flags & NoForeignKeyChecks) != 0;

    /// <summary>True when every column of the table is in the images: <c>binlog_row_image=FULL</c>.</summary>
    public bool HasFullImages => IsFull(present.Span) && (Kind != RowsKind.Update || IsFull(presentAfter.Span));

    /// <summary>Bytes of row images.</summary>
    public int ByteLength => data.Length;

    /// <summary>The next row; false at the end.</summary>
    /// <param name="before">Receives the row as it was; left alone for an insert.</param>
    /// <param name="after">Receives the row as it is; left alone for a delete.</param>
    public bool TryRead(IRowImageReader reader, RowBuffer before, RowBuffer after)
    {
        if (at >= data.Length)
        {
            return false;
        }

        try
        {
            var start = at;
            switch (Kind)
            {
                case RowsKind.Insert:
                    at += reader.Decode(data.Span[at..], present.Span, after);
                    break;
                case RowsKind.Delete:
                    at += reader.Decode(data.Span[at..], present.Span, before);
                    break;
                default:
                    at += reader.Decode(data.Span[at..], present.Span, before);
                    at += partial
                        ? reader.DecodePartial(data.Span[at..], presentAfter.Span, data.Span[start..at], present.Span, after)
                        : reader.Decode(data.Span[at..], presentAfter.Span, after);
                    break;
            }

            return at > start ? true : throw EventErrors.Unreadable("a row has no bytes");
        }
        catch (MigrationException e)
        {
            throw EventErrors.At(e, File, EndOffset);
        }
        catch (Exception e) when (e is IndexOutOfRangeException or ArgumentException or OverflowException)
        {
            throw EventErrors.At(EventErrors.Unreadable("a row is malformed", e), File, EndOffset);
        }
    }

    internal void Set(
        TableMap table, RowsKind kind, int flags, ReadOnlyMemory<byte> columns, ReadOnlyMemory<byte> columnsAfter, ReadOnlyMemory<byte> rows, bool isPartial)
    {
        (Table, Kind, Flags) = (table, kind, flags);
        (present, presentAfter, data, partial) = (columns, columnsAfter, rows, isPartial);
        at = 0;
    }

    private bool IsFull(ReadOnlySpan<byte> bitmap)
    {
        for (var i = 0; i < Table.Columns.Length; i++)
        {
            if ((bitmap[i >> 3] & (1 << (i & 7))) == 0)
            {
                return false;
            }
        }

        return true;
    }
}
