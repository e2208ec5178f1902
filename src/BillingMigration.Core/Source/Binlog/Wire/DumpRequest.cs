using System.Globalization;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// Presents itself as a replica and asks for the stream.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html, https://mariadb.com/kb/en/com_binlog_dump/
/// </summary>
internal sealed class DumpRequest(WireConnection connection, BinlogStart start, BinlogConnectionOptions options)
{
    private const byte ComBinlogDump = 0x12;
    private const byte ComRegisterReplica = 0x15;
    private const byte ComBinlogDumpGtid = 0x1e;
    private const ushort NonBlocking = 1;
    private const ushort ThroughGtid = 4;
    private const int FirstOffset = 4;

    /// <summary>Knows GTIDs, annotations and checkpoints: 4 is all there is.</summary>
    private const int MariaDbCapability = 4;

    /// <summary>True when the command's 32 bits do not hold the offset: the stream then begins with the file.</summary>
    public static bool NeedsSkip(BinlogStart start) => start is { Gtid: null, Offset: > uint.MaxValue };

    public async Task SendAsync(CancellationToken cancellationToken)
    {
        await connection.QueryAsync(Session(), cancellationToken);
        await RegisterAsync(cancellationToken);
        await connection.SendAsync(start is { Flavor: SourceFlavor.MySql, Gtid: { } gtid } ? DumpGtid(GtidSet.Parse(gtid)) : Dump(), cancellationToken);
    }

    private string Session()
    {
        var period = (options.HeartbeatPeriod.Ticks * 100).ToString(CultureInfo.InvariantCulture);
        // Events keep the checksum they were written with; "CRC32" tells the server that they may have one. A server waits for a slow reader for an hour.
        var common = $"SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', @master_heartbeat_period = {period}, @source_heartbeat_period = {period}, SESSION net_write_timeout = 3600";
        if (start.Flavor == SourceFlavor.MySql)
        {
            return $"{common}, @slave_uuid = '{options.ReplicaUuid:D}', @replica_uuid = '{options.ReplicaUuid:D}'";
        }

        var position = start.Gtid is { } gtid ? $", @slave_connect_state = '{MariaDbGtidPosition.Parse(gtid)}'" : "";
        return $"{common}, @mariadb_slave_capability = {MariaDbCapability}, @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0{position}";
    }

    // Shows up in SHOW REPLICAS, and is refused at once without the privilege.
    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        var command = new PayloadWriter().Byte(ComRegisterReplica).UInt32(options.ServerId);
        foreach (var text in new[] { "BillingMigration", "", "" })
        {
            command.Byte((byte)text.Length).Text(text);
        }

        await connection.SendAsync(command.UInt16(0).UInt32(0).UInt32(0), cancellationToken);
        await connection.ReadOkAsync(cancellationToken);
    }

    private PayloadWriter Dump()
    {
        var byGtid = start.Gtid is not null;
        var offset = byGtid || NeedsSkip(start) ? FirstOffset : Math.Max(start.Offset, FirstOffset);
        return new PayloadWriter().Byte(ComBinlogDump).UInt32((uint)offset).UInt16(Flags()).UInt32(options.ServerId).Text(byGtid ? "" : start.File ?? "");
    }

    private PayloadWriter DumpGtid(GtidSet seen)
    {
        var encoded = seen.Encode();
        return new PayloadWriter().Byte(ComBinlogDumpGtid).UInt16((ushort)(Flags() | ThroughGtid)).UInt32(options.ServerId)
            .UInt32(0).UInt64(FirstOffset).UInt32((uint)encoded.Length).Bytes(encoded);
    }

    private ushort Flags() => options.StopAtEnd ? NonBlocking : (ushort)0;
}
