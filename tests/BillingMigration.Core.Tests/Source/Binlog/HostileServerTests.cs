using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Binlog.Wire;
using FsCheck;
using FsCheck.Fluent;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>A server that says what it likes: the client ends with one of its errors, whatever the bytes, and never asks for memory that nothing fills.</summary>
public sealed class HostileServerTests
{
    private static readonly byte[] Ok = [0, 0, 0, 2, 0, 0, 0];

    private static readonly byte[] EndOfRows = [0xfe, 0, 0, 2, 0];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_script_itself_is_a_good_server()
    {
        Assert.Equal("3 events, BinlogConnectionLostException", await OutcomeAsync(Script()));
    }

    [Fact]
    public void Altered_bytes() => Check(
        from at in Gen.Choose(0, Script().Length - 1) from value in Gen.Choose(1, 255) from second in Gen.Choose(0, Script().Length - 1) from other in Gen.Choose(0, 255)
        select Altered((at, value), (second, other)));

    [Fact]
    public void A_stream_that_breaks_off() => Check(from length in Gen.Choose(0, Script().Length - 1) select Script()[..length]);

    [Fact]
    public void Bytes_of_any_kind() => Check(
        from kept in Gen.Choose(0, Script().Length) from noise in ArbMap.Default.GeneratorFor<byte[]>() select (byte[])[.. Script()[..kept], .. noise]);

    [Fact]
    public async Task A_server_that_wants_the_password_in_clear_does_not_get_it()
    {
        var script = new PayloadWriter().Byte(0xfe).NullTerminated("mysql_clear_password");
        Assert.Equal("SourceAuthenticationUnsupported", await OutcomeAsync([.. Packet(0, Handshake()), .. Packet(2, script.Written.Span)]));
    }

    [Fact]
    public async Task A_server_that_wants_a_local_file_does_not_get_it()
    {
        var script = new PayloadWriter().Byte(0xfb).Text("/etc/passwd");
        Assert.Equal("SourceProtocolError", await OutcomeAsync([.. Packet(0, Handshake()), .. Packet(2, Ok), .. Packet(1, script.Written.Span)]));
    }

    private static void Check(Gen<byte[]> scripts) => Prop.ForAll(scripts.ToArbitrary(), script =>
    {
        // Anything but one of the two errors is thrown here and fails the property.
        OutcomeAsync(script).GetAwaiter().GetResult();
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    private static async Task<string> OutcomeAsync(byte[] script)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync(listener, script);
        var events = 0;
        try
        {
            var source = new SourceDefinition
            {
                Host = "127.0.0.1",
                Port = ((IPEndPoint)listener.LocalEndpoint).Port,
                Database = "billing",
                Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None },
            };
            await using var stream = await BinlogConnection.OpenAsync(
                source, new SourceCredential("follower", "secret"), new BinlogStart(SourceFlavor.MySql, "", null, 0), new BinlogConnectionOptions(), TimeProvider.System, Cancel);
            while (await stream.ReadEventAsync(Cancel) is not null)
            {
                events++;
            }

            return "ended";
        }
        catch (BinlogConnectionLostException)
        {
            return $"{events} events, BinlogConnectionLostException";
        }
        catch (MigrationException e)
        {
            return e.ErrorId;
        }
        finally
        {
            await serving;
        }
    }

    private static async Task ServeAsync(TcpListener listener, byte[] script)
    {
        using var client = await listener.AcceptSocketAsync(Cancel);
        try
        {
            await client.SendAsync(script, Cancel);
            client.Shutdown(SocketShutdown.Send);
            var sink = new byte[4096];
            while (await client.ReceiveAsync(sink, Cancel) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The client had enough.
        }
    }

    private static byte[] Altered(params (int At, int Value)[] changes)
    {
        var script = Script();
        foreach (var (at, value) in changes)
        {
            script[at] ^= (byte)value;
        }

        return script;
    }

    /// <summary>Everything that a server says, in order: login, identity, session, registration, three events.</summary>
    private static byte[] Script() =>
    [
        .. Packet(0, Handshake()), .. Packet(2, Ok),
        .. Packet(1, [1]), .. Packet(2, [3, 100, 101, 102]), .. Packet(3, EndOfRows), .. Packet(4, [2, 105, 100]), .. Packet(5, EndOfRows),
        .. Packet(1, Ok), .. Packet(1, Ok),
        .. Packet(1, Event(4)), .. Packet(2, Event(15)), .. Packet(3, Event(27)),
    ];

    private static byte[] Handshake() => new PayloadWriter().Byte(10).NullTerminated("9.7.4").UInt32(7).Bytes(Encoding.ASCII.GetBytes("12345678")).Byte(0)
        .UInt16(0xffff & ~0x0800).Byte(45).UInt16(2).UInt16(0x00ff).Byte(21).Bytes(new byte[10]).Bytes(Encoding.ASCII.GetBytes("123456789012")).Byte(0)
        .NullTerminated("caching_sha2_password").Written.ToArray();

    private static byte[] Event(byte type)
    {
        var read = new byte[20 + 40];
        read[5] = type;
        BinaryPrimitives.WriteInt32LittleEndian(read.AsSpan(10), read.Length - 1);
        return read;
    }

    private static byte[] Packet(byte sequence, ReadOnlySpan<byte> payload) => [(byte)payload.Length, (byte)(payload.Length >> 8), (byte)(payload.Length >> 16), sequence, .. payload];
}
