namespace BillingMigration.Source.Binlog;

/// <summary>Reads rows events of versions 1 and 2, partial updates, and MariaDB's compressed ones, up to their images.</summary>
internal static class RowsEventParser
{
    /// <summary>Table id of an event without rows that only ends a statement.</summary>
    private const ulong NoTable = 0xFF_FFFF;

    /// <returns>False for an event without rows.</returns>
    public static bool Parse(RowsEvent into, BinlogEventType type, ReadOnlyMemory<byte> body, TableMaps tables)
    {
        var reader = new EventReader(body.Span);
        var id = reader.UInt48();
        var flags = reader.UInt16();
        if (HasExtraData(type))
        {
            var extra = reader.UInt16();
            reader.Bytes(extra >= 2 ? extra - 2 : throw EventErrors.Unreadable("the extra data of rows has an impossible length"));
        }

        if (id == NoTable)
        {
            return false;
        }

        var table = tables.Find(id);
        var width = reader.PackedLength();
        if (width != table.Columns.Length)
        {
            throw EventErrors.Unreadable($"rows have {width} columns and the map of their table {table.Columns.Length}");
        }

        var bitmap = (width + 7) / 8;
        var kind = KindOf(type);
        var present = Slice(body, ref reader, bitmap);
        var presentAfter = kind == RowsKind.Update ? Slice(body, ref reader, bitmap) : present;
        var rows = IsCompressed(type) ? MariaDbCompression.Expand(reader.Rest) : body[reader.Position..];
        into.Set(table, kind, flags, present, presentAfter, rows, type == BinlogEventType.PartialUpdateRows);
        return true;
    }

    private static ReadOnlyMemory<byte> Slice(ReadOnlyMemory<byte> body, ref EventReader reader, int length)
    {
        var start = reader.Position;
        reader.Bytes(length);
        return body.Slice(start, length);
    }

    private static bool HasExtraData(BinlogEventType type) => type is BinlogEventType.WriteRows or BinlogEventType.UpdateRows or BinlogEventType.DeleteRows
        or BinlogEventType.PartialUpdateRows or BinlogEventType.WriteRowsCompressed or BinlogEventType.UpdateRowsCompressed or BinlogEventType.DeleteRowsCompressed;

    private static bool IsCompressed(BinlogEventType type) => type is >= BinlogEventType.WriteRowsCompressedV1 and <= BinlogEventType.DeleteRowsCompressed;

    private static RowsKind KindOf(BinlogEventType type) => type switch
    {
        BinlogEventType.WriteRows or BinlogEventType.WriteRowsV1 or BinlogEventType.WriteRowsCompressed or BinlogEventType.WriteRowsCompressedV1 => RowsKind.Insert,
        BinlogEventType.DeleteRows or BinlogEventType.DeleteRowsV1 or BinlogEventType.DeleteRowsCompressed or BinlogEventType.DeleteRowsCompressedV1 => RowsKind.Delete,
        _ => RowsKind.Update,
    };
}
