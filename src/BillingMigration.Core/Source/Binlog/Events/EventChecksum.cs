using System.Buffers.Binary;
using System.IO.Hashing;

namespace BillingMigration.Source.Binlog;

/// <summary>The CRC32 behind each event (<c>binlog_checksum</c>).</summary>
internal sealed class EventChecksum
{
    private const int Length = 4;
    private const int Crc32Algorithm = 1;

    // FORMAT_DESCRIPTION: version, server version, creation time, header length.
    private const int FormatFixed = 2 + 50 + 4 + 1;
    private const int FlagsOffset = 17;

    private bool used;

    /// <summary>Verifies the event's checksum and takes it off.</summary>
    public ReadOnlyMemory<byte> Strip(ReadOnlyMemory<byte> bytes, in EventHeader header)
    {
        if (header.Type == BinlogEventType.FormatDescription)
        {
            return StripFormat(bytes);
        }

        if (header.Type == BinlogEventType.Rotate && (header.LogPosition == 0 || (header.Flags & EventHeader.ArtificialFlag) != 0))
        {
            // The server makes it before the file that says whether there are checksums.
            return bytes.Length > EventHeader.Length + 8 + Length && Matches(bytes.Span) ? bytes[..^Length] : bytes;
        }

        if (!used)
        {
            return bytes;
        }

        return bytes.Length >= EventHeader.Length + Length && Matches(bytes.Span)
            ? bytes[..^Length]
            : throw EventErrors.Unreadable("the checksum of an event does not fit its bytes");
    }

    private ReadOnlyMemory<byte> StripFormat(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length < EventHeader.Length + FormatFixed + 1 + Length)
        {
            throw EventErrors.Unreadable("the description of a file's format is cut short");
        }

        // Servers before 5.6.1, without checksums, are not supported.
        used = bytes.Span[^(Length + 1)] == Crc32Algorithm;
        if (used)
        {
            // The flag that says that the file is in use is set later than the checksum.
            var clear = bytes.ToArray();
            clear[FlagsOffset] &= unchecked((byte)~EventHeader.InUse);
            if (!Matches(clear))
            {
                throw EventErrors.Unreadable("the checksum of a file's format does not fit its bytes");
            }
        }

        return bytes[..^(Length + 1)];
    }

    private static bool Matches(ReadOnlySpan<byte> bytes) =>
        Crc32.HashToUInt32(bytes[..^Length]) == BinaryPrimitives.ReadUInt32LittleEndian(bytes[^Length..]);
}
