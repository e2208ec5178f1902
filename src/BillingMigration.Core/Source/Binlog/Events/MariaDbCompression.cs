using System.IO.Compression;

namespace BillingMigration.Source.Binlog;

/// <summary>MariaDB's compressed parts of events (<c>log_bin_compress</c>): one byte of kind and size of the length, the length in big-endian order, zlib.</summary>
internal static class MariaDbCompression
{
    /// <summary>An event of MariaDB has at most 1 GB (<c>max_allowed_packet</c>).</summary>
    private const long MostBytes = 1L << 30;

    public static byte[] Expand(ReadOnlySpan<byte> compressed)
    {
        var reader = new EventReader(compressed);
        var head = reader.Byte();
        if ((head & 0x80) == 0 || (head & 0x70) != 0)
        {
            throw EventErrors.Unreadable("a compressed part is of an unknown kind");
        }

        long length = 0;
        foreach (var b in reader.Bytes(head & 0x07))
        {
            length = (length << 8) | b;
        }

        if (length is < 0 or > MostBytes)
        {
            throw EventErrors.Unreadable($"a compressed part claims {length:N0} bytes");
        }

        // As long as the bytes say, and no longer than the length says: a false length allocates nothing.
        using var zlib = new ZLibStream(new MemoryStream(reader.Rest.ToArray(), writable: false), CompressionMode.Decompress);
        using var expanded = new MemoryStream();
        try
        {
            var buffer = new byte[81920];
            int read;
            while ((read = zlib.Read(buffer)) > 0 && expanded.Length <= length)
            {
                expanded.Write(buffer, 0, read);
            }
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw EventErrors.Unreadable("a compressed part is damaged", e);
        }

        return expanded.Length == length ? expanded.ToArray() : throw EventErrors.Unreadable("a compressed part has another length than it says");
    }
}
