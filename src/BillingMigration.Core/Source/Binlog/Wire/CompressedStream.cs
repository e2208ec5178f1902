using System.IO.Compression;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// The compressed form of the protocol, zlib: after the login all bytes both ways travel in frames of 3 bytes of length, a number, and 3 bytes of the length
/// before compression, 0 for a frame that is as it was.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression_packet.html
/// </summary>
internal sealed class CompressedStream(Stream inner) : Stream
{
    private const int HeaderLength = 7;

    private const int MaxFrame = 0xffffff;
    private const int FirstBuffer = 64 * 1024;

    private readonly byte[] header = new byte[HeaderLength];
    private byte[] frame = [];
    private byte[] content = [];
    private int start;
    private int end;
    private byte sequence;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>A new command begins a new count of frames.</summary>
    public void BeginCommand() => sequence = 0;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (start == end)
        {
            if (!await ReadFrameAsync(cancellationToken))
            {
                return 0;
            }
        }

        var count = Math.Min(buffer.Length, end - start);
        content.AsSpan(start, count).CopyTo(buffer.Span);
        start += count;
        return count;
    }

    /// <summary>Sends the bytes as they are, which a frame allows: commands are short.</summary>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(buffer.Length, MaxFrame)];
            var sent = new byte[HeaderLength + part.Length];
            (sent[0], sent[1], sent[2], sent[3]) = ((byte)part.Length, (byte)(part.Length >> 8), (byte)(part.Length >> 16), sequence++);
            part.CopyTo(sent.AsMemory(HeaderLength));
            await inner.WriteAsync(sent, cancellationToken);
            buffer = buffer[part.Length..];
        }
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<bool> ReadFrameAsync(CancellationToken cancellationToken)
    {
        var got = await inner.ReadAtLeastAsync(header, HeaderLength, throwOnEndOfStream: false, cancellationToken);
        if (got < HeaderLength)
        {
            return got == 0 ? false : throw new EndOfStreamException("The server closed the connection.");
        }

        var length = header[0] | (header[1] << 8) | (header[2] << 16);
        var before = header[4] | (header[5] << 8) | (header[6] << 16);
        if (header[3] != sequence++)
        {
            throw WireErrors.Malformed($"frame {header[3]} where {(byte)(sequence - 1)} is due");
        }

        if (before == 0)
        {
            content = await FillAsync(content, length, cancellationToken);
            (start, end) = (0, length);
            return true;
        }

        frame = await FillAsync(frame, length, cancellationToken);
        Inflate(length, before);
        (start, end) = (0, before);
        return true;
    }

    // Memory follows what arrives: a length alone takes none.
    private async ValueTask<byte[]> FillAsync(byte[] into, int length, CancellationToken cancellationToken)
    {
        for (var got = 0; got < length;)
        {
            if (got == into.Length)
            {
                Array.Resize(ref into, Math.Min(length, Math.Max(into.Length * 2, FirstBuffer)));
            }

            var read = await inner.ReadAsync(into.AsMemory(got, Math.Min(length, into.Length) - got), cancellationToken);
            got += read > 0 ? read : throw new EndOfStreamException("The server closed the connection.");
        }

        return into;
    }

    private void Inflate(int length, int before)
    {
        // At most 16 MB, which is what a frame can hold.
        content = content.Length >= before ? content : new byte[before];
        try
        {
            using var zlib = new ZLibStream(new MemoryStream(frame, 0, length), CompressionMode.Decompress);
            if (zlib.ReadAtLeast(content.AsSpan(0, before), before, throwOnEndOfStream: false) != before || zlib.ReadByte() >= 0)
            {
                throw WireErrors.Malformed("a compressed frame of another length than it says");
            }
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw WireErrors.Malformed("a compressed frame that is none");
        }
    }
}
