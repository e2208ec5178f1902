namespace BillingMigration.Source.Binlog;

/// <summary>Where a stream begins.</summary>
/// <param name="Gtid">
/// What has been seen already: an executed GTID set (MySQL) or a GTID position (MariaDB); empty: nothing. The server finds the place by itself, also
/// another server of the same replication group. Null: by file and offset.
/// </param>
/// <param name="File">Binlog file; not used with a <paramref name="Gtid"/>.</param>
/// <param name="Offset">Bytes from the file's beginning, 4 or more: the end of a transaction.</param>
public sealed record BinlogStart(SourceFlavor Flavor, string? Gtid, string? File, long Offset)
{
    public static BinlogStart At(SourcePosition position) => new(position.Flavor, position.Gtid, position.File, position.Offset ?? 4);
}
