using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>What the tests of the change stream have in common: where the server is, and what the events that come are.</summary>
internal static class Replica
{
    public const byte Query = 2;
    public const byte Rotate = 4;
    public const byte FormatDescription = 15;
    public const byte Heartbeat = 27;
    public const byte HeartbeatV2 = 41;

    public static SourceCredential Root { get; } = new("root", "");

    public static SourceDefinition SourceOf(SqlServerProcess server, SourceTlsMode mode = SourceTlsMode.VerifyCA) => new()
    {
        Host = server.Host,
        Port = server.Port,
        Database = "billing",
        Tls = new SourceTlsDefinition { Mode = mode, CaFile = mode == SourceTlsMode.None ? null : server.CaFile },
    };

    public static Task<BinlogConnection> FollowAsync(this SqlServerProcess server, BinlogStart start, CancellationToken cancellationToken, BinlogConnectionOptions? options = null) =>
        BinlogConnection.OpenAsync(SourceOf(server), Root, start, options ?? new BinlogConnectionOptions(), TimeProvider.System, cancellationToken);

    /// <summary>The end of the binlog as it is now, as GTID or as file and offset.</summary>
    public static async Task<BinlogStart> EndAsync(this SqlServerProcess server, bool byGtid)
    {
        var flavor = server is MariaDbServer ? SourceFlavor.MariaDb : SourceFlavor.MySql;
        await using var connection = await server.ConnectAsync();
        await using var command = new MySqlCommand(flavor == SourceFlavor.MySql ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", connection);
        string file;
        long offset;
        await using (var reader = await command.ExecuteReaderAsync())
        {
            await reader.ReadAsync();
            (file, offset) = (reader.GetString(0), Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture));
        }

        await using var gtid = new MySqlCommand(flavor == SourceFlavor.MySql ? "SELECT @@global.gtid_executed" : "SELECT @@global.gtid_binlog_pos", connection);
        return byGtid
            ? new BinlogStart(flavor, (string?)await gtid.ExecuteScalarAsync(), null, 0)
            : new BinlogStart(flavor, null, file, offset);
    }

    public static async Task<MySqlConnection> ConnectAsync(this SqlServerProcess server)
    {
        var connection = new MySqlConnection(server.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    public static async Task ExecuteAsync(this SqlServerProcess server, string sql)
    {
        await using var connection = await server.ConnectAsync();
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 300 };
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Reads on until an event holds the text.</summary>
    public static async Task<byte[]> ReadUntilAsync(this IBinlogSource stream, string text, CancellationToken cancellationToken)
    {
        var wanted = Encoding.UTF8.GetBytes(text);
        return await stream.ReadUntilAsync(e => e.AsSpan().IndexOf(wanted) >= 0, cancellationToken);
    }

    public static async Task<byte[]> ReadUntilAsync(this IBinlogSource stream, Func<byte[], bool> wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = (await stream.ReadEventAsync(cancellationToken))?.ToArray() ?? throw new EndOfStreamException("The stream ended without the event.");
            Assert.Equal(read.Length, BinaryPrimitives.ReadInt32LittleEndian(read.AsSpan(9)));
            if (wanted(read))
            {
                return read;
            }
        }
    }

    public static byte TypeOf(byte[] read) => read[4];
}
