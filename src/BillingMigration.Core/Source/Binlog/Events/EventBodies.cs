using System.Globalization;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>Reads the bodies of the events that are more than rows. All of them are total: malformed bytes are an error.</summary>
internal static class EventBodies
{
    private const int QueryFixed = 13;
    private const int LoadFixed = 13;

    /// <returns>Bytes of the head of each event behind it: 19, more in files of servers that had added fields of their own.</returns>
    public static int Format(FormatDescriptionEvent into, ReadOnlySpan<byte> body)
    {
        const int Version = 4;
        const int CreationTime = 4;
        var reader = new EventReader(body);
        if (reader.UInt16() is not Version and var version)
        {
            throw EventErrors.Unreadable($"the file is of the format {version}, where {Version} is the only one that has rows");
        }

        into.ServerVersion = Encoding.UTF8.GetString(reader.Bytes(50).TrimEnd((byte)0));
        reader.Bytes(CreationTime);
        return reader.Byte() is >= EventHeader.Length and var head ? head : throw EventErrors.Unreadable("the heads of events are shorter than they can be");
    }

    public static void Rotate(RotateEvent into, ReadOnlySpan<byte> body)
    {
        var reader = new EventReader(body);
        into.NextOffset = (long)reader.UInt64();
        into.NextFile = Encoding.UTF8.GetString(reader.Rest);
    }

    public static void Query(QueryEvent into, BinlogEventType type, ReadOnlySpan<byte> body)
    {
        var reader = new EventReader(body);
        reader.UInt32();
        reader.UInt32();
        var database = reader.Byte();
        into.ErrorCode = reader.UInt16();
        var variables = reader.UInt16();
        if (type == BinlogEventType.ExecuteLoadQuery)
        {
            reader.Bytes(LoadFixed);
        }

        (into.SqlMode, into.ClientCollation) = StatusVariables(reader.Bytes(variables));
        into.Database = reader.Text(database);
        reader.Byte();
        var statement = type == BinlogEventType.QueryCompressed ? MariaDbCompression.Expand(reader.Rest) : reader.Rest;
        into.Statement = Statement(statement);
        into.Foreign = Ascii.IsValid(statement) ? null : statement.ToArray();
    }

    /// <summary>From the status variables of a statement; each is a code and a value whose length the code tells (https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Query__event.html).</summary>
    private static (ulong? SqlMode, int ClientCollation) StatusVariables(ReadOnlySpan<byte> variables)
    {
        const int Flags = 0, SqlMode = 1, CatalogWithZero = 2, AutoIncrement = 3, Charset = 4, CatalogName = 6;
        ulong? mode = null;
        var reader = new EventReader(variables);
        while (reader.Left > 0)
        {
            switch (reader.Byte())
            {
                case Flags: reader.Bytes(4); break;
                case SqlMode: mode = reader.UInt64(); break;
                case CatalogWithZero: reader.Bytes(reader.Byte() + 1); break;
                case AutoIncrement: reader.Bytes(4); break;
                case CatalogName: reader.Bytes(reader.Byte()); break;
                case Charset: return (mode, reader.UInt16());
                // All others stand behind the character set.
                default: return (mode, 0);
            }
        }

        return (mode, 0);
    }

    /// <summary>GTID_LOG_EVENT and ANONYMOUS_GTID_LOG_EVENT.</summary>
    public static void Gtid(GtidEvent into, bool anonymous, ReadOnlySpan<byte> body)
    {
        var reader = new EventReader(body);
        reader.Byte();
        var uuid = reader.Bytes(16);
        var gno = (long)reader.UInt64();
        into.Gtid = anonymous ? null : TaggedGtidReader.Text(uuid, "", gno);
        (into.Standalone, into.XaPrepared, into.XaCompleted, into.CommitMicroseconds) = (false, false, false, null);

        // Logical clock (type 2, two numbers of 8 bytes) from 5.7 on, commit time from 8.0 on.
        if (reader.Left >= 17 + 7 && reader.Byte() == 2)
        {
            reader.Bytes(16);
            into.CommitMicroseconds = (long)(reader.UInt56() & 0x7F_FFFF_FFFF_FFFF);
        }
    }

    public static void TaggedGtid(GtidEvent into, ReadOnlySpan<byte> body)
    {
        (into.Standalone, into.XaPrepared, into.XaCompleted) = (false, false, false);
        (into.Gtid, into.CommitMicroseconds) = new TaggedGtidReader(body).Read();
    }

    /// <summary>MariaDB (https://mariadb.com/kb/en/gtid_event/).</summary>
    public static void MariaDbGtid(GtidEvent into, uint serverId, ReadOnlySpan<byte> body)
    {
        var reader = new EventReader(body);
        var sequence = reader.UInt64();
        var domain = reader.UInt32();
        var flags = reader.Byte();
        into.Gtid = string.Create(CultureInfo.InvariantCulture, $"{domain}-{serverId}-{sequence}");
        into.CommitMicroseconds = null;
        into.Standalone = (flags & 1) != 0;
        into.XaPrepared = (flags & 64) != 0;
        into.XaCompleted = (flags & 128) != 0;
    }

    public static void XaPrepare(XaPrepareEvent into, ReadOnlySpan<byte> body)
    {
        var reader = new EventReader(body);
        into.OnePhase = reader.Byte() != 0;
        var format = reader.UInt32();
        var global = (int)Math.Min(reader.UInt32(), int.MaxValue);
        var branch = (int)Math.Min(reader.UInt32(), int.MaxValue);
        into.Xid = string.Create(
            CultureInfo.InvariantCulture,
            $"X'{Convert.ToHexString(reader.Bytes(global)).ToLowerInvariant()}',X'{Convert.ToHexString(reader.Bytes(branch)).ToLowerInvariant()}',{(int)format}");
    }

    public static string IncidentMessage(ReadOnlySpan<byte> body)
    {
        var reader = new EventReader(body);
        var number = reader.UInt16();
        var text = reader.Left > 0 ? reader.Text(reader.Byte()) : "";
        return string.Create(CultureInfo.InvariantCulture, $"number {number}{(text.Length > 0 ? ": " + text : "")}");
    }

    // The words that a follower sees in every transaction are not made anew each time.
    private static string Statement(ReadOnlySpan<byte> utf8) =>
        utf8.SequenceEqual("BEGIN"u8) ? "BEGIN"
        : utf8.SequenceEqual("COMMIT"u8) ? "COMMIT"
        : Encoding.UTF8.GetString(utf8);
}
