namespace BillingMigration.Source;

public enum SourceFlavor
{
    MySql,
    MariaDb,
}

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

    public override string ToString() => (Gtid, File) switch
    {
        (not null and not "", null) => Gtid,
        (null or "", not null) => $"{File}:{Offset}",
        (_, not null) => $"{Gtid} ({File}:{Offset})",
        _ => "(empty GTID set)",
    };
}
