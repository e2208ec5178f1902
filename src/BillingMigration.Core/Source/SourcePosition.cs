using System.Text.Json.Serialization;

namespace BillingMigration.Source;

public enum SourceFlavor
{
    MySql,
    MariaDb,
}

/// <summary>A binlog file that a server had: in another history a file of that name was made at another time, or is shorter.</summary>
/// <param name="Offset">Bytes that it had at least.</param>
/// <param name="MadeAt">Unix seconds, as its FORMAT_DESCRIPTION event says.</param>
internal sealed record BinlogMark(string File, long Offset, uint MadeAt);

/// <summary>
/// A place in the source's binlog. As a snapshot's start it is a lower bound: every transaction in it was visible to every row read
/// afterwards.
/// </summary>
public sealed record SourcePosition
{
    public required SourceFlavor Flavor { get; init; }

    /// <summary><c>server_uuid</c> of MySQL, <c>server_id</c> of MariaDB: whose file names these are.</summary>
    public required string ServerIdentity { get; init; }

    /// <summary>Executed GTID set (MySQL) or GTID position (MariaDB); null where the source has no GTIDs.</summary>
    public string? Gtid { get; init; }

    /// <summary>Binlog file; null where only the GTID set is a safe bound.</summary>
    public string? File { get; init; }

    /// <summary>Byte offset in <see cref="File"/>.</summary>
    public long? Offset { get; init; }

    /// <summary>What the server's binlog was like then; null where nobody looked.</summary>
    [JsonInclude]
    internal BinlogMark? Mark { get; init; }

    public override string ToString() => (Gtid, File) switch
    {
        (not null and not "", null) => Gtid,
        (null or "", not null) => $"{File}:{Offset}",
        (_, not null) => $"{Gtid} ({File}:{Offset})",
        _ => "(empty GTID set)",
    };
}
