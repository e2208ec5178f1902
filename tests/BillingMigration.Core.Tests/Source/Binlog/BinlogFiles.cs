using System.Diagnostics;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>The binlog files of a real server on this machine, and what its own tool says of them.</summary>
internal static class BinlogFiles
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Closes the current file and returns its path; skips the test when the server's files are not on this machine.</summary>
    public static async Task<string> CloseCurrentAsync(SqlServerProcess server)
    {
        await using var connection = new MySqlConnection(server.ConnectionString);
        await connection.OpenAsync(Cancel);
        await using var flush = new MySqlCommand("FLUSH BINARY LOGS", connection);
        await using var list = new MySqlCommand("SHOW BINARY LOGS", connection);
        var before = await LastAsync(list);
        await flush.ExecuteNonQueryAsync(Cancel);
        await using var folder = new MySqlCommand("SELECT @@log_bin_basename", connection);
        var path = Path.Combine(Path.GetDirectoryName((string)(await folder.ExecuteScalarAsync(Cancel))!)!, before);
        Assert.SkipUnless(File.Exists(path), "the server's binlog files are not on this machine");
        return path;
    }

    /// <summary>True for a file that begins as a binlog does, encrypted ones among them.</summary>
    public static bool IsBinlog(string path)
    {
        using var file = File.OpenRead(path);
        var magic = new byte[4];
        return file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic[0] is 0xFD or 0xFE
            && magic.AsSpan(1).SequenceEqual("bin"u8);
    }

    /// <summary>Lines that <c>mysqlbinlog</c> or <c>mariadb-binlog</c> prints.</summary>
    public static async Task<IReadOnlyList<string>> PrintAsync(SqlServerProcess server, string path, params string[] options)
    {
        var mariaDb = server is MariaDbServer;
        var run = Repository.PathOf(".servers", mariaDb ? "mariadb" : "mysql", "run");
        Assert.SkipUnless(File.Exists(run), "the server's own tools are not in this checkout");
        var start = new ProcessStartInfo(run, [mariaDb ? "mariadb-binlog" : "mysqlbinlog", .. options, path]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var text = await process.StandardOutput.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        Assert.Equal(0, process.ExitCode);
        return text.Split('\n');
    }

    private static async Task<string> LastAsync(MySqlCommand list)
    {
        var last = "";
        await using var reader = await list.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            last = reader.GetString(0);
        }

        return last;
    }
}
