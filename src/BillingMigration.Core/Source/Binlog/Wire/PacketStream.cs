using System.Buffers.Binary;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// Packets over a stream: 3 bytes of length, a sequence number, the payload. A payload of 2^24 - 1 bytes goes on in the next packet.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
/// </summary>
internal sealed class PacketStream(Stream stream)
{
    public const int MaxPacket = 0xffffff;

    // The server's own limit of an event is 1 GB (replica_max_allowed_packet); the OK byte comes before it.
    private const int MaxPayload = (1 << 30) + 1024;
    private const int HeaderLength = 4;
    private const int UsualBuffer = 256 * 1024;

    private byte[] buffer = new byte[UsualBuffer];
    private int start;
    private int end;
    private byte sequence;
    private bool numbered = true;

    /// <summary>Takes another stream, TLS or compression over the old one. Nothing of the old one may be left unread.</summary>
    public void Upgrade(Stream upgraded)
    {
        if (start != end)
        {
            throw WireErrors.Malformed("data came before it was agreed how it comes");
        }

        stream = upgraded;
        // Servers count the frames of the compressed protocol, and let the packets in them take over that count now and then.
        numbered = upgraded is not CompressedStream;
    }

    /// <summary>A new command begins a new count of packets.</summary>
    public void BeginCommand()
    {
        sequence = 0;
        (stream as CompressedStream)?.BeginCommand();
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        while (true)
        {
            var part = payload[..Math.Min(payload.Length, MaxPacket)];
            var packet = new byte[HeaderLength + part.Length];
            BinaryPrimitives.WriteUInt32LittleEndian(packet, (uint)part.Length | ((uint)sequence++ << 24));
            part.CopyTo(packet.AsMemory(HeaderLength));
            await stream.WriteAsync(packet, cancellationToken);
            payload = payload[part.Length..];
            if (part.Length < MaxPacket)
            {
                await stream.FlushAsync(cancellationToken);
                return;
            }
        }
    }

    /// <summary>The next payload when it has arrived already. It stays valid until the next read.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> payload)
    {
        payload = default;
        if (end - start < HeaderLength)
        {
            return false;
        }

        var header = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(start));
        var length = (int)(header & MaxPacket);
        if (length == MaxPacket || end - start - HeaderLength < length)
        {
            return false;
        }

        CheckSequence((byte)(header >> 24));
        payload = buffer.AsMemory(start + HeaderLength, length);
        start += HeaderLength + length;
        return true;
    }

    /// <summary>The next payload. It stays valid until the next read.</summary>
    /// <exception cref="EndOfStreamException">The server closed the connection.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        if (TryRead(out var payload))
        {
            return payload;
        }

        var length = await ReadHeaderAsync(cancellationToken);
        if (length == MaxPacket)
        {
            return await ReadLongAsync(cancellationToken);
        }

        await FillAsync(length, cancellationToken);
        payload = buffer.AsMemory(start, length);
        start += length;
        return payload;
    }

    // The payload grows with what arrives, not with what a header announces.
    private async ValueTask<ReadOnlyMemory<byte>> ReadLongAsync(CancellationToken cancellationToken)
    {
        var joined = new MemoryStream();
        for (var length = MaxPacket; ; length = await ReadHeaderAsync(cancellationToken))
        {
            if (joined.Length + length > MaxPayload)
            {
                throw WireErrors.Malformed("a packet of more than 1 GB");
            }

            await FillAsync(length, cancellationToken);
            joined.Write(buffer, start, length);
            start += length;
            if (length < MaxPacket)
            {
                return joined.GetBuffer().AsMemory(0, (int)joined.Length);
            }
        }
    }

    private async ValueTask<int> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        await FillAsync(HeaderLength, cancellationToken);
        var header = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(start));
        start += HeaderLength;
        CheckSequence((byte)(header >> 24));
        return (int)(header & MaxPacket);
    }

    private void CheckSequence(byte received)
    {
        if (numbered && received != sequence)
        {
            throw WireErrors.Malformed($"packet {received} where {sequence} is due");
        }

        sequence++;
    }

    /// <summary>Reads until <paramref name="count"/> bytes lie in the buffer.</summary>
    private async ValueTask FillAsync(int count, CancellationToken cancellationToken)
    {
        while (end - start < count)
        {
            MakeRoom(count);
            var read = await stream.ReadAsync(buffer.AsMemory(end), cancellationToken);
            if (read == 0)
            {
                throw new EndOfStreamException("The server closed the connection.");
            }

            end += read;
        }
    }

    private void MakeRoom(int count)
    {
        var waiting = end - start;
        if (waiting == 0)
        {
            // One long packet does not keep its memory for the days that follow.
            buffer = buffer.Length > UsualBuffer && count <= UsualBuffer ? new byte[UsualBuffer] : buffer;
            start = end = 0;
        }

        if (end < buffer.Length && (start == 0 || start + count <= buffer.Length))
        {
            return;
        }

        // It doubles as bytes arrive: what a header announces takes no memory yet.
        var into = waiting == buffer.Length ? new byte[buffer.Length * 2] : buffer;
        Buffer.BlockCopy(buffer, start, into, 0, waiting);
        buffer = into;
        (start, end) = (0, waiting);
    }
}
