namespace BillingMigration.Source.Binlog;

/// <summary>
/// Turns the bytes of a binlog into events. TRANSACTION_PAYLOAD and MariaDB's compressed events are opened: what is in them comes one by one.
/// Events are total: truncated or damaged bytes are an error with the place, never a wrong event. Not thread-safe.
/// </summary>
/// <param name="source">Disposed with the decoder.</param>
/// <param name="file">Name of the file that is read directly; null: a server sends the events.</param>
public sealed class BinlogDecoder(IBinlogSource source, string? file = null) : IAsyncDisposable
{
    private readonly EventChecksum checksum = new();
    private readonly TableMaps tables = new();
    private readonly RotateEvent rotate = new();
    private readonly FormatDescriptionEvent format = new();
    private readonly GtidEvent gtid = new();
    private readonly QueryEvent query = new();
    private readonly XidEvent xid = new();
    private readonly XaPrepareEvent xaPrepare = new();
    private readonly HeartbeatEvent heartbeat = new();
    private readonly StopEvent stop = new();
    private readonly TableMapEvent tableMap = new();
    private readonly RowsEvent rows = new();
    private TransactionPayload? payload;
    private int headLength = EventHeader.Length;
    private long end;

    /// <summary>The file that events come from now; empty until the first ROTATE, unless it was given.</summary>
    public string File { get; private set; } = file ?? "";

    /// <summary>The next event that means something to a follower; null at the end of a file.</summary>
    /// <exception cref="MigrationException"><c>BinlogUnreadable</c>, <c>BinlogEventUnknown</c>, <c>BinlogIncident</c>, <c>BinlogEncrypted</c>.</exception>
    public async ValueTask<BinlogEvent?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = payload is null ? await source.ReadEventAsync(cancellationToken) : NextOfPayload();
            if (read is { } bytes)
            {
                if (Decode(bytes, payload is not null) is { } found)
                {
                    return found;
                }
            }
            else if (payload is not null)
            {
                payload.Dispose();
                payload = null;
            }
            else
            {
                return null;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        payload?.Dispose();
        await source.DisposeAsync();
    }

    private ReadOnlyMemory<byte>? NextOfPayload()
    {
        try
        {
            return payload!.Next();
        }
        catch (MigrationException e)
        {
            throw EventErrors.At(e, File, end);
        }
    }

    private BinlogEvent? Decode(ReadOnlyMemory<byte> bytes, bool inPayload)
    {
        var place = end;
        try
        {
            if (bytes.Length < EventHeader.Length)
            {
                throw EventErrors.Unreadable("an event is shorter than its header");
            }

            var header = EventHeader.Read(bytes.Span);
            if (header.Size != bytes.Length)
            {
                throw EventErrors.Unreadable("an event has another length than it says");
            }

            if (!inPayload)
            {
                bytes = checksum.Strip(bytes, header);
                end = place = EndOf(header);
            }

            // These two are read before the length of heads is known.
            var head = header.Type is BinlogEventType.FormatDescription or BinlogEventType.Rotate ? EventHeader.Length : headLength;
            var decoded = Decode(header, bytes[head..], inPayload);
            decoded?.Place(header, File, end);
            if (decoded is RotateEvent next)
            {
                (File, end) = (next.NextFile, next.NextOffset);
            }

            return decoded;
        }
        catch (MigrationException e)
        {
            throw EventErrors.At(e, File, place);
        }
        catch (Exception e) when (e is IndexOutOfRangeException or ArgumentException or OverflowException)
        {
            throw EventErrors.At(EventErrors.Unreadable("an event is malformed", e), File, place);
        }
    }

    // Offsets are 32 bits in the event and go on from zero behind 4 GB.
    private long EndOf(in EventHeader header)
    {
        if (header.LogPosition == 0 || (header.Flags & EventHeader.ArtificialFlag) != 0)
        {
            return end;
        }

        var low = (end & ~0xFFFF_FFFFL) | header.LogPosition;
        return low >= end ? low : low + 0x1_0000_0000L;
    }

    private BinlogEvent? Decode(in EventHeader header, ReadOnlyMemory<byte> body, bool inPayload)
    {
        switch (header.Type)
        {
            case BinlogEventType.TableMap:
                tableMap.Table = tables.Read(body);
                return tableMap;
            case BinlogEventType.WriteRows or BinlogEventType.UpdateRows or BinlogEventType.DeleteRows or BinlogEventType.PartialUpdateRows
                or BinlogEventType.WriteRowsV1 or BinlogEventType.UpdateRowsV1 or BinlogEventType.DeleteRowsV1
                or BinlogEventType.WriteRowsCompressedV1 or BinlogEventType.UpdateRowsCompressedV1 or BinlogEventType.DeleteRowsCompressedV1
                or BinlogEventType.WriteRowsCompressed or BinlogEventType.UpdateRowsCompressed or BinlogEventType.DeleteRowsCompressed:
                return RowsEventParser.Parse(rows, header.Type, body, tables) ? rows : null;
            case BinlogEventType.Xid:
                xid.Xid = new EventReader(body.Span).UInt64();
                return xid;
            case BinlogEventType.Query or BinlogEventType.QueryCompressed or BinlogEventType.ExecuteLoadQuery:
                EventBodies.Query(query, header.Type, body.Span);
                return query;
            case BinlogEventType.TransactionPayload when !inPayload:
                payload = TransactionPayload.Open(body);
                return null;
            case BinlogEventType.Gtid or BinlogEventType.AnonymousGtid:
                EventBodies.Gtid(gtid, header.Type == BinlogEventType.AnonymousGtid, body.Span);
                return gtid;
            case BinlogEventType.GtidTagged:
                EventBodies.TaggedGtid(gtid, body.Span);
                return gtid;
            case BinlogEventType.MariaDbGtid:
                EventBodies.MariaDbGtid(gtid, header.ServerId, body.Span);
                return gtid;
            default:
                return DecodeRare(header, body);
        }
    }

    private BinlogEvent? DecodeRare(in EventHeader header, ReadOnlyMemory<byte> body)
    {
        switch (header.Type)
        {
            case BinlogEventType.Rotate:
                EventBodies.Rotate(rotate, body.Span);
                return rotate;
            case BinlogEventType.FormatDescription:
                headLength = EventBodies.Format(format, body.Span);
                tables.MariaDb = format.ServerVersion.Contains("MariaDB", StringComparison.OrdinalIgnoreCase);
                return format;
            case BinlogEventType.StartV3:
                throw EventErrors.BeforeRows();
            case BinlogEventType.XaPrepare:
                EventBodies.XaPrepare(xaPrepare, body.Span);
                return xaPrepare;
            case BinlogEventType.Heartbeat or BinlogEventType.HeartbeatV2:
                return heartbeat;
            case BinlogEventType.Stop:
                return stop;
            case BinlogEventType.Incident:
                throw EventErrors.Incident(EventBodies.IncidentMessage(body.Span), File, end);
            // A server that encrypts its files sends their events in clear.
            case BinlogEventType.StartEncryption when file is not null:
                throw EventErrors.Encrypted(File);
            // Statements that are logged as such are told by their QUERY; the rest says nothing about rows.
            case BinlogEventType.IntVar or BinlogEventType.Rand or BinlogEventType.UserVar or BinlogEventType.BeginLoadQuery or BinlogEventType.AppendBlock
                or BinlogEventType.DeleteFile or BinlogEventType.Ignorable or BinlogEventType.RowsQuery or BinlogEventType.PreviousGtids
                or BinlogEventType.TransactionContext or BinlogEventType.ViewChange
                or BinlogEventType.AnnotateRows or BinlogEventType.BinlogCheckpoint or BinlogEventType.MariaDbGtidList or BinlogEventType.StartEncryption:
                return null;
            default:
                return (header.Flags & EventHeader.IgnorableFlag) != 0 ? null : throw EventErrors.UnknownEvent((int)header.Type, File, end);
        }
    }
}
