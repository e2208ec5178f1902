using System.Buffers.Binary;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using FsCheck;
using FsCheck.Fluent;
using MySqlConnector;
using TestContext = Xunit.TestContext;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Truncated, flipped and made-up bytes: an error with its place, and with checksums never a wrong row.</summary>
public sealed class HostileBytesTests
{
    private const int Header = 19;
    private const int Tries = 3000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Damaged_events_without_checksums_end_in_an_error_or_in_rows(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        var path = await WriteAsync(server, database, mariaDb, "NONE");
        await using var readers = await ReadRows.OpenAsync(database, "typed");
        var events = Split(await File.ReadAllBytesAsync(path, Cancel));
        Assert.Null((await DecodeAsync(events, readers)).Error);

        var damage = from target in Gen.Choose(0, events.Count - 1)
            from kind in Gen.Choose(0, 3)
            from places in Gen.ArrayOf(Gen.Choose(0, int.MaxValue), 4)
            from bytes in Gen.ArrayOf(Gen.Choose(0, 255), 4)
            select (target, kind, places, bytes);
        var refused = 0;
        Prop.ForAll(damage.ToArbitrary(), d =>
        {
            var copy = events.ToList();
            copy[d.target] = Damage(copy[d.target], d.kind, d.places, d.bytes);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var (_, error) = DecodeAsync(copy, readers).GetAwaiter().GetResult();
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 512L << 20);
            if (error is not null)
            {
                refused++;
                Assert.Contains(error.ErrorId, (string[])["BinlogUnreadable", "BinlogEventUnknown", "BinlogIncident", "BinlogEncrypted", "TableLayoutUnknown", "CharsetNotLoaded"]);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Tries).WithReplay(20261123, 1));
        Assert.InRange(refused, Tries / 10, Tries);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_checksums_no_flipped_bit_gives_a_wrong_row(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        var path = await WriteAsync(server, database, mariaDb, "CRC32");
        await using var readers = await ReadRows.OpenAsync(database, "typed");
        var bytes = await File.ReadAllBytesAsync(path, Cancel);
        var (whole, fine) = await DecodeAsync(Split(bytes), readers);
        Assert.Null(fine);

        Prop.ForAll(Gen.Choose(4 * 8, (bytes.Length * 8) - 1).ToArbitrary(), bit =>
        {
            var flipped = bytes.ToArray();
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            var (rows, error) = DecodeAsync(Split(flipped), readers).GetAwaiter().GetResult();
            Assert.True(error is not null || rows.Count == whole.Count, "rows were lost in silence");
            Assert.Equal(whole.Take(rows.Count), rows);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithReplay(20261123, 3));
    }

    private static async Task<SqlServerProcess> StartAsync(bool mariaDb) =>
        mariaDb ? await MariaDbServer.StartAsync("--sync-binlog=0") : await MySqlServer.StartAsync("--sync-binlog=0");

    private static async Task<string> WriteAsync(SqlServerProcess server, TestDatabase database, bool mariaDb, string checksum)
    {
        await database.ExecuteAsync($"SET GLOBAL binlog_checksum = '{checksum}'" + (mariaDb ? ", GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10" : ""));
        await MySqlConnection.ClearAllPoolsAsync(Cancel);
        await database.ExecuteAsync(
            "CREATE TABLE typed (id INT PRIMARY KEY, n DECIMAL(30,10), f DOUBLE, b BIT(13), t TIME(3), d DATETIME(6), s TIMESTAMP(1) NULL, c CHAR(10), v VARCHAR(300), "
            + "l VARCHAR(20) CHARACTER SET latin1, j VARCHAR(20) CHARACTER SET sjis, u VARCHAR(20) CHARACTER SET utf16, e ENUM('a','b'), o SET('x','y','z'), i BINARY(8), x BLOB, "
            + $"g GEOMETRY, q JSON{(mariaDb ? ", uu UUID, i6 INET6, vc VARCHAR(300) COMPRESSED" : "")})");
        await BinlogFiles.CloseCurrentAsync(server);
        var more = mariaDb ? ", UUID(), '::1', REPEAT('abc', 90)" : "";
        var session = mariaDb ? "" : "SET SESSION binlog_row_value_options = 'PARTIAL_JSON'; ";
        await database.ExecuteAsync(
            session
            + $"INSERT INTO typed VALUES (1, -12345.678, 1e300, 77, '-12:00:00.5', '2026-01-31 01:02:03.123456', '2026-01-31 01:02:03.1', 'abc', REPEAT('é', 100), 'é', '日本', '😀', 'b', 'x,z', X'0102', X'DEADBEEF', "
            + $"ST_GeomFromText('POINT(1 2)'), '{{\"a\": [1, 2.5, \"text\", {{\"b\": null}}], \"c\": \"{new string('x', 200)}\"}}'{more}), (2{string.Concat(Enumerable.Repeat(", NULL", mariaDb ? 20 : 17))})");
        await database.ExecuteAsync($"{session}UPDATE typed SET q = JSON_SET(q, '$.a[1]', 'z', '$.n', 1), n = 2 WHERE id = 1");
        if (!mariaDb)
        {
            await database.ExecuteAsync($"{session}SET SESSION binlog_transaction_compression = ON; UPDATE typed SET q = JSON_REMOVE(q, '$.a[0]'), v = 'new'; DELETE FROM typed WHERE id = 2");
        }

        return await BinlogFiles.CloseCurrentAsync(server);
    }

    private static byte[] Damage(byte[] one, int kind, int[] places, int[] bytes)
    {
        var body = one.Length - Header;
        if (body == 0)
        {
            return one;
        }

        var changed = kind == 0 ? one[..(Header + (places[0] % body))] : one.ToArray();
        for (var i = 0; i < kind && changed.Length > Header; i++)
        {
            var at = Header + (places[i] % (changed.Length - Header));
            changed[at] = i % 2 == 0 ? (byte)bytes[i] : (byte)(changed[at] ^ (1 << (bytes[i] % 8)));
        }

        // Its own length is right: what reads the frames is not what is tried here.
        BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(9), changed.Length);
        return changed;
    }

    private static List<byte[]> Split(byte[] file)
    {
        var events = new List<byte[]>();
        for (var at = 4; at < file.Length;)
        {
            // What is no length goes on as it stands: the decoder has to refuse it.
            var size = at + 13 <= file.Length ? BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 9)) : 0;
            var length = size >= Header && size <= file.Length - at ? (int)size : file.Length - at;
            events.Add(file[at..(at + length)]);
            at += length;
        }

        return events;
    }

    private static async Task<(List<string> Rows, MigrationException? Error)> DecodeAsync(List<byte[]> events, ReadRows readers)
    {
        var (before, after) = (new RowBuffer(readers.Model.Row.Length), new RowBuffer(readers.Model.Row.Length));
        var rows = new List<string>();
        try
        {
            await using var decoder = new BinlogDecoder(new Replay(events), "binlog.000001");
            while (await decoder.ReadAsync(CancellationToken.None) is { } found)
            {
                if (found is RowsEvent change && change.Table.Table == "typed")
                {
                    var bound = RowDecoder.Bind(change.Table, readers.Model, readers.Charsets);
                    while (change.TryRead(bound, before, after))
                    {
                        rows.Add(change.Kind + (change.Kind == RowsKind.Insert ? "" : Text(before)) + (change.Kind == RowsKind.Delete ? "" : Text(after)));
                        Assert.InRange(rows.Count, 0, 100_000);
                    }
                }
            }

            return (rows, null);
        }
        catch (MigrationException e)
        {
            return (rows, e);
        }
    }

    private static string Text(RowBuffer row) => string.Join('|', Enumerable.Range(0, row.Count).Select(i => row.IsNull(i) ? "NULL" : Encoding.Latin1.GetString(row[i])));

    private sealed class Replay(List<byte[]> events) : IBinlogSource
    {
        private int next;

        public ValueTask<ReadOnlyMemory<byte>?> ReadEventAsync(CancellationToken cancellationToken) => ValueTask.FromResult(next < events.Count ? (ReadOnlyMemory<byte>?)events[next++] : null);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
