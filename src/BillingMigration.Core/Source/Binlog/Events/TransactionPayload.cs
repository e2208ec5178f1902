using ZstdSharp;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// The events inside a TRANSACTION_PAYLOAD event, one by one: a transaction of a million rows is never expanded as a whole
/// (https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Transaction__payload__event.html).
/// </summary>
internal sealed class TransactionPayload : IDisposable
{
    private const int Zstd = 0;
    private const int Uncompressed = 255;

    private readonly Stream events;
    private long left;
    private byte[] buffer = new byte[16 * 1024];

    private TransactionPayload(Stream events, long length) => (this.events, left) = (events, length);

    /// <param name="body">Must stay valid until the last event is read.</param>
    public static TransactionPayload Open(ReadOnlyMemory<byte> body)
    {
        var reader = new EventReader(body.Span);
        ulong size = 0, expanded = 0, compression = Uncompressed;
        while (reader.Packed() is > 0 and var field)
        {
            var value = new EventReader(reader.Bytes(reader.PackedLength()));
            switch (field)
            {
                case 1: size = value.Packed(); break;
                case 2: compression = value.Packed(); break;
                case 3: expanded = value.Packed(); break;
            }
        }

        if (size != (ulong)reader.Left)
        {
            throw EventErrors.Unreadable($"a transaction payload has {reader.Left:N0} bytes and says {size:N0}");
        }

        var payload = new ReadOnlyMemoryStream(body[reader.Position..]);
        return compression switch
        {
            Zstd => new TransactionPayload(new DecompressionStream(payload), (long)Math.Min(expanded, long.MaxValue)),
            Uncompressed => new TransactionPayload(payload, reader.Left),
            _ => throw EventErrors.Unreadable($"a transaction payload is compressed in the way {compression}, which this version does not know"),
        };
    }

    /// <summary>The next event, header and body, without a checksum: valid until the next call. Null at the end.</summary>
    public ReadOnlyMemory<byte>? Next()
    {
        if (left == 0)
        {
            return null;
        }

        try
        {
            Fill(0, EventHeader.Length);
            var size = EventHeader.Read(buffer).Size;
            if (size < EventHeader.Length || size > left)
            {
                throw EventErrors.Unreadable("an event in a transaction payload has an impossible length");
            }

            Fill(EventHeader.Length, (int)size - EventHeader.Length);
            left -= size;
            return buffer.AsMemory(0, (int)size);
        }
        catch (ZstdException e)
        {
            throw EventErrors.Unreadable("a transaction payload is damaged", e);
        }
        catch (EndOfStreamException e)
        {
            throw EventErrors.Unreadable("a transaction payload is cut short", e);
        }
    }

    public void Dispose() => events.Dispose();

    /// <summary>Reads as it grows: a false length allocates little.</summary>
    private void Fill(int offset, int count)
    {
        while (count > 0)
        {
            if (offset == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length * 2);
            }

            var part = Math.Min(count, buffer.Length - offset);
            events.ReadExactly(buffer, offset, part);
            (offset, count) = (offset + part, count - part);
        }
    }

    private sealed class ReadOnlyMemoryStream(ReadOnlyMemory<byte> memory) : Stream
    {
        private int at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => memory.Length;

        public override long Position { get => at; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var part = memory.Span.Slice(at, Math.Min(buffer.Length, memory.Length - at));
            part.CopyTo(buffer);
            at += part.Length;
            return part.Length;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
