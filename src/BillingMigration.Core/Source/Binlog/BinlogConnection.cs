using System.Globalization;
using System.Net.Sockets;
using BillingMigration.Definition;
using BillingMigration.Source.Binlog.Wire;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// The change stream of a live server, over the replication protocol. One reader at a time. The artificial ROTATE that every stream begins with has a
/// checksum, whatever the server's <c>binlog_checksum</c>; from the FORMAT_DESCRIPTION on events have what that one says.
/// </summary>
public sealed class BinlogConnection : IBinlogSource
{
    private const byte Ok = 0x00;
    private const byte EndOfStream = 0xfe;
    private const int EventHeader = 19;
    private const int SilentPeriods = 3;
    private const int TypeAt = 4;

    private readonly WireConnection connection;
    private readonly BinlogConnectionOptions options;
    private readonly BinlogStart start;
    private readonly string place;
    private readonly ITimer silence;
    private OffsetSkip? skip;
    private TimeSpan patience;
    private volatile bool silent;
    private volatile bool waiting;
    private long heard;
    private bool begun;

    private BinlogConnection(WireConnection connection, SourceDefinition source, BinlogStart start, BinlogConnectionOptions options, TimeProvider time)
    {
        this.connection = connection;
        this.options = options;
        this.start = start;
        place = string.Create(CultureInfo.InvariantCulture, $"{source.Host}:{source.Port}");
        skip = DumpRequest.NeedsSkip(start) ? new OffsetSkip(start.Offset) : null;
        patience = Longer(options.StartTimeout, options.HeartbeatPeriod * SilentPeriods);
        silence = time.CreateTimer(
            static state =>
            {
                var self = (BinlogConnection)state!;
                if (self.waiting && !self.Hears())
                {
                    self.silent = true;
                    self.connection.Abort();
                }
            },
            this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>As the server names itself.</summary>
    public string ServerVersion => connection.Handshake.Version;

    /// <summary><c>server_uuid</c> of MySQL, <c>server_id</c> of MariaDB: asked on this very connection.</summary>
    public string ServerIdentity { get; private set; } = "";

    /// <summary>The connection's number on the server, for <c>KILL</c> and <c>SHOW PROCESSLIST</c>.</summary>
    public uint ConnectionId => connection.Handshake.ConnectionId;

    /// <summary>Connects, logs in and asks for the stream. What the server has to say against it may come with the first event.</summary>
    /// <exception cref="MigrationException">The source cannot be reached, refuses the account, or does not have the position.</exception>
    /// <exception cref="BinlogConnectionLostException">The connection broke on the way: another attempt may help.</exception>
    public static async Task<BinlogConnection> OpenAsync(
        SourceDefinition source, SourceCredential credential, BinlogStart start, BinlogConnectionOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.HeartbeatPeriod, TimeSpan.Zero, nameof(options));
        var wire = await WireConnection.OpenAsync(source, credential, options.BaseDirectory, options.ConnectTimeout, time, cancellationToken);
        var stream = new BinlogConnection(wire, source, start, options, time);
        try
        {
            stream.CheckFlavor();
            await stream.GuardAsync(
                async token =>
                {
                    var identity = await wire.QueryAsync(start.Flavor == SourceFlavor.MySql ? "SELECT @@server_uuid" : "SELECT @@server_id", token);
                    stream.ServerIdentity = identity is [[{ } name, ..], ..] ? name : throw WireErrors.Malformed("no answer to who it is");
                    await new DumpRequest(wire, start, options).SendAsync(token);
                },
                cancellationToken);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="MigrationException">The server refuses to go on; the message says why.</exception>
    /// <exception cref="BinlogConnectionLostException">The connection is lost; open another one.</exception>
    public ValueTask<ReadOnlyMemory<byte>?> ReadEventAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            if (skip is not null)
            {
                return ReadBehindOffsetAsync(cancellationToken);
            }

            // No task, no timer and no token while events lie in the buffer.
            return connection.Packets.TryRead(out var payload) ? new(Event(payload)) : WaitForEventAsync(cancellationToken);
        }
        catch (Exception e) when (e is MigrationException or BinlogConnectionLostException)
        {
            return ValueTask.FromException<ReadOnlyMemory<byte>?>(e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await silence.DisposeAsync();
    }

    private async ValueTask<ReadOnlyMemory<byte>?> WaitForEventAsync(CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> payload = default;
        await GuardAsync(async token => payload = await connection.Packets.ReadAsync(token), cancellationToken);
        return Event(payload);
    }

    private async ValueTask<ReadOnlyMemory<byte>?> ReadBehindOffsetAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = await WaitForEventAsync(cancellationToken);
            if (next is not { } read || skip is null || !skip.Skips(read.Span))
            {
                return next;
            }

            skip = skip.IsOver ? null : skip;
        }
    }

    /// <summary>Between the head of the stream and its first event or heartbeat the server may look through large files; from then on it speaks in time.</summary>
    private ReadOnlyMemory<byte> Lively(ReadOnlyMemory<byte> read)
    {
        if (!begun && !IsHead(read.Span[TypeAt]))
        {
            begun = true;
            patience = options.HeartbeatPeriod * SilentPeriods;
        }

        return read;
    }

    // ROTATE, FORMAT_DESCRIPTION, PREVIOUS_GTIDS, and MariaDB's BINLOG_CHECKPOINT, GTID_LIST and START_ENCRYPTION.
    private static bool IsHead(byte type) => type is 4 or 15 or 35 or 161 or 163 or 164;

    // https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_stream.html
    private ReadOnlyMemory<byte>? Event(ReadOnlyMemory<byte> payload) => (payload.IsEmpty ? -1 : payload.Span[0]) switch
    {
        Ok when payload.Length > EventHeader => Lively(payload[1..]),
        EndOfStream when payload.Length < 9 => options.StopAtEnd ? (ReadOnlyMemory<byte>?)null
            : throw new BinlogConnectionLostException($"The source {place} ended the binlog stream."),
        ServerErrorException.Marker => throw BinlogErrors.From(ServerErrorException.From(payload.Span), place, start),
        _ => throw WireErrors.Malformed("a packet of the binlog stream that has no meaning"),
    };

    /// <summary>Runs something that waits for the server: not for ever, and with its errors in our words.</summary>
    private async Task GuardAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        using var cancelled = cancellationToken.Register(static state => ((WireConnection)state!).Abort(), connection);
        waiting = true;
        silence.Change(patience, Timeout.InfiniteTimeSpan);
        try
        {
            await work(cancellationToken);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or ServerErrorException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw e switch
            {
                _ when silent => BinlogErrors.Silent(place, patience),
                ServerErrorException refused => BinlogErrors.From(refused, place, start),
                _ => BinlogErrors.Lost(place, e),
            };
        }
        finally
        {
            waiting = false;
            silence.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>True when bytes arrived since it was last asked: it is then listened on.</summary>
    private bool Hears()
    {
        var received = connection.Received;
        var more = received != heard;
        heard = received;
        if (more)
        {
            silence.Change(patience, Timeout.InfiniteTimeSpan);
        }

        return more;
    }

    private void CheckFlavor()
    {
        if (connection.Handshake.IsMariaDb != (start.Flavor == SourceFlavor.MariaDb))
        {
            throw BinlogErrors.FlavorChanged(place, ServerVersion, start.Flavor);
        }
    }

    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
