namespace BillingMigration.Source.Binlog;

/// <summary>The 19 bytes that every event begins with (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html).</summary>
internal readonly record struct EventHeader(uint Timestamp, BinlogEventType Type, uint ServerId, uint Size, uint LogPosition, ushort Flags)
{
    public const int Length = 19;
    public const ushort InUse = 0x01;
    public const ushort ArtificialFlag = 0x20;
    public const ushort IgnorableFlag = 0x80;

    public static EventHeader Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new EventReader(bytes);
        return new EventHeader(reader.UInt32(), (BinlogEventType)reader.Byte(), reader.UInt32(), reader.UInt32(), reader.UInt32(), reader.UInt16());
    }
}

/// <summary>An event that means something to a follower. The same instance comes again for the next event of its kind: valid until the next read.</summary>
public abstract class BinlogEvent
{
    public BinlogEventType Type { get; private set; }

    /// <summary>Unix seconds at which the statement began on the server that first executed it; 0 for artificial events.</summary>
    public uint UnixSeconds { get; private set; }

    public DateTimeOffset Timestamp => DateTimeOffset.FromUnixTimeSeconds(UnixSeconds);

    /// <summary>Server that first executed it.</summary>
    public uint ServerId { get; private set; }

    /// <summary>File it stands in.</summary>
    public string File { get; private set; } = "";

    /// <summary>Offset in the file behind the event; of the whole payload for an event inside a TRANSACTION_PAYLOAD.</summary>
    public long EndOffset { get; private set; }

    /// <summary>Made by the server for this stream; it stands in no file.</summary>
    public bool Artificial { get; private set; }

    internal void Place(in EventHeader header, string file, long endOffset)
    {
        Type = header.Type;
        UnixSeconds = header.Timestamp;
        ServerId = header.ServerId;
        Artificial = (header.Flags & EventHeader.ArtificialFlag) != 0 || header.LogPosition == 0;
        (File, EndOffset) = (file, endOffset);
    }
}

/// <summary>The next event stands in another file, or at another place (ROTATE_EVENT).</summary>
public sealed class RotateEvent : BinlogEvent
{
    public string NextFile { get; internal set; } = "";

    public long NextOffset { get; internal set; }
}

/// <summary>A file begins (FORMAT_DESCRIPTION_EVENT).</summary>
public sealed class FormatDescriptionEvent : BinlogEvent
{
    public string ServerVersion { get; internal set; } = "";
}

/// <summary>A transaction begins, or a statement that stands alone.</summary>
public sealed class GtidEvent : BinlogEvent
{
    /// <summary>
    /// MySQL: <c>uuid:gno</c> or <c>uuid:tag:gno</c>, null for an anonymous transaction. MariaDB: <c>domain-server-sequence</c>.
    /// </summary>
    public string? Gtid { get; internal set; }

    /// <summary>Microseconds since 1970 at which the server that is followed committed it; null when the event does not say.</summary>
    public long? CommitMicroseconds { get; internal set; }

    /// <summary>MariaDB: no BEGIN and no COMMIT around it, one statement.</summary>
    public bool Standalone { get; internal set; }

    /// <summary>MariaDB: the rows that follow are those of a prepared XA transaction; it ends with its XA_PREPARE event.</summary>
    public bool XaPrepared { get; internal set; }

    /// <summary>MariaDB: an XA COMMIT or XA ROLLBACK follows.</summary>
    public bool XaCompleted { get; internal set; }
}

/// <summary>A statement: BEGIN, COMMIT, ROLLBACK, SAVEPOINT, XA …, DDL, or a change that was logged as a statement (QUERY_EVENT).</summary>
public sealed class QueryEvent : BinlogEvent
{
    /// <summary>Default database; empty for none.</summary>
    public string Database { get; internal set; } = "";

    /// <summary>Read as UTF-8; where <see cref="Foreign"/> is given, that tells more.</summary>
    public string Statement { get; internal set; } = "";

    /// <summary>The bytes of a statement that is not ASCII alone, in the character set of <see cref="ClientCollation"/>; null: <see cref="Statement"/> is exact.</summary>
    public byte[]? Foreign { get; internal set; }

    /// <summary>Id of the client's collation (<c>character_set_client</c>); 0 when the event does not say.</summary>
    public int ClientCollation { get; internal set; }

    /// <summary>The session's <c>sql_mode</c> as bits; null when the event does not say.</summary>
    public ulong? SqlMode { get; internal set; }

    public int ErrorCode { get; internal set; }
}

/// <summary>A transaction is committed (XID_EVENT).</summary>
public sealed class XidEvent : BinlogEvent
{
    public ulong Xid { get; internal set; }
}

/// <summary>An XA transaction is prepared, or committed in one phase (XA_PREPARE_LOG_EVENT).</summary>
public sealed class XaPrepareEvent : BinlogEvent
{
    public bool OnePhase { get; internal set; }

    /// <summary>As the server writes it in XA COMMIT: <c>X'6162',X'',1</c>.</summary>
    public string Xid { get; internal set; } = "";
}

/// <summary>The server has nothing to send; <see cref="BinlogEvent.EndOffset"/> is where it stands.</summary>
public sealed class HeartbeatEvent : BinlogEvent;

/// <summary>The server was stopped here (STOP_EVENT).</summary>
public sealed class StopEvent : BinlogEvent;

/// <summary>Layout of the rows that follow.</summary>
public sealed class TableMapEvent : BinlogEvent
{
    public TableMap Table { get; internal set; } = null!;
}
