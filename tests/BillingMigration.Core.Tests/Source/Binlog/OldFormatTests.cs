using System.Buffers.Binary;
using System.Text;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Files of servers whose events are laid out otherwise: read as their own description says, or refused by name.</summary>
public sealed class OldFormatTests
{
    private const byte StartV3 = 1;
    private const byte Query = 2;
    private const byte FormatDescription = 15;
    private const int StandardHead = 19;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(StandardHead)]
    [InlineData(StandardHead + 8)]
    public async Task Heads_are_as_long_as_the_file_says(byte head)
    {
        await using var decoder = Decoder(Description(4, head), Event(Query, head, Statement("CREATE TABLE t (a INT)")));
        Assert.Equal("5.1.63", Assert.IsType<FormatDescriptionEvent>(await decoder.ReadAsync(Cancel)).ServerVersion);
        var query = Assert.IsType<QueryEvent>(await decoder.ReadAsync(Cancel));
        Assert.Equal(("test", "CREATE TABLE t (a INT)"), (query.Database, query.Statement));
        Assert.Null(await decoder.ReadAsync(Cancel));
    }

    [Theory]
    [InlineData(4, StandardHead - 1, "heads of events are shorter")]
    [InlineData(3, StandardHead, "of the format 3")]
    public async Task Another_description_is_refused(byte version, byte head, string why)
    {
        await using var decoder = Decoder(Description(version, head));
        var error = await Assert.ThrowsAsync<MigrationException>(async () => await decoder.ReadAsync(Cancel));
        Assert.Equal("BinlogUnreadable", error.ErrorId);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_from_before_row_events_is_named_as_such()
    {
        await using var decoder = Decoder(Event(StartV3, StandardHead, new byte[56]));
        var error = await Assert.ThrowsAsync<MigrationException>(async () => await decoder.ReadAsync(Cancel));
        Assert.Equal("BinlogUnreadable", error.ErrorId);
        Assert.Contains("before MySQL 5.0", error.Message, StringComparison.Ordinal);
        Assert.Equal($"old.000001:{StandardHead + 56}", error.Target);
    }

    private static BinlogDecoder Decoder(params byte[][] events) => new(new Replay(events), "old.000001");

    private static byte[] Description(byte version, byte head)
    {
        var body = new byte[2 + 50 + 4 + 1 + 27];
        body[0] = version;
        "5.1.63"u8.CopyTo(body.AsSpan(2));
        body[56] = head;
        return Event(FormatDescription, StandardHead, body);
    }

    private static byte[] Statement(string text) => [.. new byte[8], 4, .. new byte[4], .. "test\0"u8, .. Encoding.UTF8.GetBytes(text)];

    private static byte[] Event(byte type, int head, byte[] body)
    {
        var bytes = new byte[head + body.Length];
        bytes[4] = type;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(9), bytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(13), bytes.Length);
        body.CopyTo(bytes, head);
        return bytes;
    }

    private sealed class Replay(byte[][] events) : IBinlogSource
    {
        private int next;

        public ValueTask<ReadOnlyMemory<byte>?> ReadEventAsync(CancellationToken cancellationToken) => new(next < events.Length ? events[next++] : default(ReadOnlyMemory<byte>?));

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
