using System.Globalization;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>What a server's binlog says of a position that was taken from it.</summary>
internal enum SourceHistoryState
{
    /// <summary>It is the one that the position was taken from.</summary>
    Same,

    /// <summary>The files of that time are purged: it cannot be told.</summary>
    Unknown,

    /// <summary>It was begun anew, or is that of a copy: the same GTIDs and places may be other transactions.</summary>
    Another,
}

/// <summary>
/// Tells a binlog from another one that has the same server's name: after RESET BINARY LOGS AND GTIDS (RESET MASTER), a restored backup, a clone. A
/// server makes a new file whenever it starts, and a file says when it was made.
/// </summary>
internal static class SourceHistory
{
    /// <summary>The position with what its binlog is like now; without, where the account may ask for the position and not follow.</summary>
    public static async Task<SourcePosition> MarkAsync(
        SourceConnections source, MySqlConnection connection, SourcePosition position, TimeProvider time, CancellationToken cancellationToken)
    {
        var status = await BinlogStatus.ReadAsync(connection, source.Server, cancellationToken);
        return await MadeAtAsync(source, status.File, time, cancellationToken) is { } madeAt
            ? position with { Mark = new BinlogMark(status.File, status.Offset, madeAt) }
            : position;
    }

    /// <summary>Asks the server that is connected.</summary>
    /// <param name="anew">Look into the file, also when that has been done before.</param>
    public static async Task<SourceHistoryState> FindAsync(
        SourceConnections source, MySqlConnection connection, SourcePosition position, bool anew, TimeProvider time, CancellationToken cancellationToken)
    {
        if (anew)
        {
            source.BinlogFiles.Clear();
        }

        if (position.Mark is not { } mark || position.ServerIdentity != source.Server.Identity)
        {
            return SourceHistoryState.Same;
        }

        var files = await FilesAsync(connection, cancellationToken);
        if (files.Find(f => f.Name == mark.File) is not { Name: not null } file)
        {
            var isPurged = files.Count > 0 && NameOf(files[0].Name) == NameOf(mark.File) && StreamPoint.Compare((mark.File, 0), (files[0].Name, 0)) < 0;
            return isPurged ? SourceHistoryState.Unknown : SourceHistoryState.Another;
        }

        return file.Size < mark.Offset ? SourceHistoryState.Another
            : await MadeAtAsync(source, file.Name, time, cancellationToken) is not { } madeAt ? SourceHistoryState.Unknown
            : madeAt == mark.MadeAt ? SourceHistoryState.Same
            : SourceHistoryState.Another;
    }

    private static string NameOf(string file) => file[..Math.Max(0, file.LastIndexOf('.'))];

    private static async Task<List<(string Name, long Size)>> FilesAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        var files = new List<(string, long)>();
        await using var command = new MySqlCommand("SHOW BINARY LOGS", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            files.Add((reader.GetString(0), Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture)));
        }

        return files;
    }

    /// <summary>Unix seconds; null: the file is gone meanwhile, or is not for this account.</summary>
    private static async Task<uint?> MadeAtAsync(SourceConnections source, string file, TimeProvider time, CancellationToken cancellationToken)
    {
        if (source.BinlogFiles.TryGetValue(file, out var known))
        {
            return known;
        }

        try
        {
            var connection = await BinlogConnection.OpenAsync(
                source.Source, source.Credential, new BinlogStart(source.Server.Flavor, null, file, 4),
                new BinlogConnectionOptions { BaseDirectory = source.BaseDirectory, StopAtEnd = true }, time, cancellationToken);
            await using var decoder = new BinlogDecoder(connection);
            while (await decoder.ReadAsync(cancellationToken) is { } next)
            {
                if (next is FormatDescriptionEvent)
                {
                    return source.BinlogFiles[file] = next.UnixSeconds;
                }
            }
        }
        catch (MigrationException e) when (e.ErrorId is "BinlogPurged" or "SourcePrivilegeMissing")
        {
            // Purged since it was listed; or REPLICATION SLAVE is missed by who follows.
        }

        return null;
    }
}
