namespace BillingMigration.Source.Binlog;

/// <summary>Where binlog events come from: a live replication stream or a file.</summary>
public interface IBinlogSource : IAsyncDisposable
{
    /// <summary>
    /// The next event as it came: the 19-byte common header and the body, with the checksum still behind it when the stream has checksums.
    /// The bytes stay valid until the next call. Null at the end of a file; a live stream never ends.
    /// </summary>
    ValueTask<ReadOnlyMemory<byte>?> ReadEventAsync(CancellationToken cancellationToken);
}
