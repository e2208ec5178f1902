using System.Net;
using System.Net.Sockets;
using BillingMigration.Definition;
using BillingMigration.Transfer;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>A logged-in connection that speaks the MySQL protocol itself: what replication needs and MySqlConnector does not offer.</summary>
internal sealed class WireConnection : IAsyncDisposable
{
    private const byte ComQuery = 0x03;
    private const byte ComPing = 0x0e;
    private const byte Ok = 0x00;
    private const byte EndOfRows = 0xfe;
    private const byte LocalFile = 0xfb;
    private const int MaxColumns = 4096;

    private readonly Socket socket;
    private readonly ReceivedBytes received;
    private Stream stream;

    private WireConnection(Socket socket)
    {
        this.socket = socket;
        stream = received = new ReceivedBytes(socket);
        Packets = new PacketStream(stream);
    }

    public PacketStream Packets { get; }

    /// <summary>Bytes that have arrived, of packets that are not whole yet too.</summary>
    public long Received => received.Count;

    public ServerHandshake Handshake { get; private set; } = null!;

    /// <summary>Connects, secures and logs in, within <paramref name="timeout"/>.</summary>
    /// <exception cref="MigrationException">As <see cref="SourceErrors.FromConnect"/> names it.</exception>
    public static async Task<WireConnection> OpenAsync(
        SourceDefinition source, SourceCredential credential, string? baseDirectory, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        if (source.Tls.Mode == SourceTlsMode.None && !Loopback.Is(source.Host))
        {
            throw SourceErrors.TlsRequired(source);
        }

        using var limit = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        WireConnection? connection = null;
        try
        {
            await ConnectAsync(socket, source, either.Token);
            connection = new WireConnection(socket);
            await connection.LogInAsync(source, credential, baseDirectory, either.Token);
            return connection;
        }
        catch (Exception e)
        {
            socket.Dispose();
            await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
            cancellationToken.ThrowIfCancellationRequested();
            throw SourceErrors.FromConnect(
                limit.IsCancellationRequested ? new TimeoutException($"No answer within {timeout.TotalSeconds:0} s.", e) : e, source);
        }
    }

    public async Task<IReadOnlyList<string?[]>> QueryAsync(string sql, CancellationToken cancellationToken)
    {
        await SendAsync(new PayloadWriter().Byte(ComQuery).Text(sql), cancellationToken);
        var first = await ReadAnswerAsync(cancellationToken);
        if (first.Span[0] == Ok)
        {
            return [];
        }

        var columns = ColumnCount(first.Span);
        for (var i = 0; i < columns; i++)
        {
            await ReadAnswerAsync(cancellationToken);
        }

        await ReadAnswerAsync(cancellationToken); // end of the columns
        var rows = new List<string?[]>();
        while (true)
        {
            var payload = await ReadAnswerAsync(cancellationToken);
            if (payload.Span[0] == EndOfRows && payload.Length < 9)
            {
                return rows;
            }

            rows.Add(Row(payload.Span, columns));
        }
    }

    public async Task PingAsync(CancellationToken cancellationToken)
    {
        await SendAsync(new PayloadWriter().Byte(ComPing), cancellationToken);
        await ReadOkAsync(cancellationToken);
    }

    /// <summary>Sends a command; its answer is to be read next.</summary>
    public ValueTask SendAsync(PayloadWriter command, CancellationToken cancellationToken)
    {
        Packets.BeginCommand();
        return Packets.WriteAsync(command.Written, cancellationToken);
    }

    public async Task ReadOkAsync(CancellationToken cancellationToken)
    {
        if ((await ReadAnswerAsync(cancellationToken)).Span[0] != Ok)
        {
            throw WireErrors.Malformed("an answer that is neither OK nor an error");
        }
    }

    /// <summary>Ends whatever is under way on this connection, at once.</summary>
    public void Abort() => socket.Dispose();

    public ValueTask DisposeAsync()
    {
        // No orderly farewell: the server may be waiting for room to send, and TLS would wait for it.
        Abort();
        stream.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task ConnectAsync(Socket socket, SourceDefinition source, CancellationToken cancellationToken)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        await socket.ConnectAsync(source.Host.Trim('[', ']'), source.Port, cancellationToken);
        if (source.Tls.Mode == SourceTlsMode.None && !(socket.RemoteEndPoint is IPEndPoint peer && IsLoopback(peer.Address)))
        {
            // The name said loopback, the machine's own host table does not.
            throw SourceErrors.TlsRequired(source);
        }
    }

    private static bool IsLoopback(IPAddress address) => IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);

    private async Task LogInAsync(SourceDefinition source, SourceCredential credential, string? baseDirectory, CancellationToken cancellationToken)
    {
        var login = new ServerLogin(Packets, source, credential);
        Handshake = await login.RunAsync(async token => stream = await SourceTlsUpgrade.AuthenticateAsync(stream, source, baseDirectory, token), cancellationToken);
        if (login.Compressed)
        {
            Packets.Upgrade(stream = new CompressedStream(stream));
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadAnswerAsync(CancellationToken cancellationToken)
    {
        var payload = await Packets.ReadAsync(cancellationToken);
        if (payload.IsEmpty)
        {
            throw WireErrors.Malformed("an empty answer");
        }

        return payload.Span[0] == ServerErrorException.Marker ? throw ServerErrorException.From(payload.Span) : payload;
    }

    private static int ColumnCount(ReadOnlySpan<byte> payload)
    {
        if (payload[0] == LocalFile)
        {
            throw WireErrors.Malformed("the server asks for a local file");
        }

        var count = new PayloadReader(payload).LengthEncoded();
        return count is > 0 and <= MaxColumns ? (int)count : throw WireErrors.Malformed("a result of no columns");
    }

    private static string?[] Row(ReadOnlySpan<byte> payload, int columns)
    {
        var reader = new PayloadReader(payload);
        var row = new string?[columns];
        for (var i = 0; i < columns; i++)
        {
            row[i] = reader.Text();
        }

        return row;
    }
}
