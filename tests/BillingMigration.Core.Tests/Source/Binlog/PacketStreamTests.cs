using System.IO.Compression;
using BillingMigration.Source.Binlog.Wire;
using FsCheck;
using FsCheck.Fluent;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Payloads of every length pass as packets, however the bytes are cut on their way.</summary>
public sealed class PacketStreamTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(70_000)]
    [InlineData(PacketStream.MaxPacket - 1)]
    [InlineData(PacketStream.MaxPacket)]
    [InlineData(PacketStream.MaxPacket + 1)]
    [InlineData(2 * PacketStream.MaxPacket)]
    public async Task What_is_written_is_read(int length)
    {
        var payload = new byte[length];
        new Random(length).NextBytes(payload);
        using var bytes = new MemoryStream();
        var writer = new PacketStream(bytes);
        await writer.WriteAsync(payload, Cancel);
        await writer.WriteAsync("the next one"u8.ToArray(), Cancel);
        bytes.Position = 0;
        var reader = new PacketStream(bytes);
        AssertSame(payload, await reader.ReadAsync(Cancel));
        Assert.Equal("the next one"u8.ToArray(), (await reader.ReadAsync(Cancel)).ToArray());
        await Assert.ThrowsAsync<EndOfStreamException>(() => reader.ReadAsync(Cancel).AsTask());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Many_payloads_arrive_in_pieces(int seed)
    {
        var random = new Random(seed);
        using var bytes = new MemoryStream();
        var writer = new PacketStream(bytes);
        var payloads = new List<byte[]>();
        for (var i = 0; i < 1000; i++)
        {
            var payload = new byte[random.Next(20) == 0 ? random.Next(300_000) : random.Next(200)];
            random.NextBytes(payload);
            payloads.Add(payload);
            await writer.WriteAsync(payload, Cancel);
        }

        bytes.Position = 0;
        var reader = new PacketStream(new Dribble(bytes, random));
        foreach (var payload in payloads)
        {
            AssertSame(payload, await reader.ReadAsync(Cancel));
        }
    }

    [Fact]
    public async Task A_packet_out_of_turn_is_an_error()
    {
        var reader = new PacketStream(new MemoryStream([1, 0, 0, 0, 42, 1, 0, 0, 2, 42]));
        await reader.ReadAsync(Cancel);
        Assert.Equal("SourceProtocolError", (await Assert.ThrowsAsync<MigrationException>(() => reader.ReadAsync(Cancel).AsTask())).ErrorId);
    }

    [Fact]
    public async Task Data_before_TLS_is_not_taken_for_data_after_it()
    {
        var reader = new PacketStream(new MemoryStream([1, 0, 0, 0, 42, 1, 0, 0, 1, 42]));
        await reader.ReadAsync(Cancel);
        Assert.Equal("SourceProtocolError", Assert.Throws<MigrationException>(() => reader.Upgrade(Stream.Null)).ErrorId);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Compressed_frames_arrive_in_pieces(int seed)
    {
        var random = new Random(seed);
        using var bytes = new MemoryStream();
        var sent = new MemoryStream();
        for (var i = 0; i < 300; i++)
        {
            var part = new byte[random.Next(1, 90_000)];
            random.NextBytes(part.AsSpan(part.Length / 2));
            sent.Write(part);
            bytes.Write(Frame(part, (byte)i, compressed: i % 3 != 0));
        }

        bytes.Position = 0;
        var received = new MemoryStream();
        await new CompressedStream(new Dribble(bytes, random)).CopyToAsync(received, Cancel);
        Assert.True(sent.ToArray().AsSpan().SequenceEqual(received.ToArray()));
    }

    [Fact]
    public void Frames_that_are_none_are_an_error() => Prop.ForAll(Gen.Choose(0, 400).ToArbitrary(), Gen.Choose(1, 255).ToArbitrary(), (at, value) =>
    {
        byte[] bytes = [.. Frame(new byte[5000], 0, compressed: true), .. Frame("short"u8.ToArray(), 1, compressed: false)];
        bytes[at % bytes.Length] ^= (byte)value;
        try
        {
            new CompressedStream(new MemoryStream(bytes)).CopyToAsync(Stream.Null, Cancel).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is MigrationException or EndOfStreamException)
        {
            // One of the two is what has to come of most alterations; the rest leave the frame what it was.
        }
    }).QuickCheckThrowOnFailure();

    private static byte[] Frame(byte[] content, byte number, bool compressed)
    {
        var body = new MemoryStream();
        using (var zlib = new ZLibStream(body, CompressionLevel.Fastest, leaveOpen: true))
        {
            zlib.Write(content);
        }

        var sent = compressed ? body.ToArray() : content;
        var before = compressed ? content.Length : 0;
        return [(byte)sent.Length, (byte)(sent.Length >> 8), (byte)(sent.Length >> 16), number, (byte)before, (byte)(before >> 8), (byte)(before >> 16), .. sent];
    }

    // Not Assert.Equal, which looks at 32 MB one by one.
    private static void AssertSame(byte[] expected, ReadOnlyMemory<byte> actual) => Assert.True(expected.AsSpan().SequenceEqual(actual.Span));

    /// <summary>Gives as much as it likes at a time, as a network does.</summary>
    private sealed class Dribble(MemoryStream inner, Random random) : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.ReadAsync(buffer[..Math.Min(buffer.Length, 1 + random.Next(40_000))], cancellationToken);
    }
}
