using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>
/// Takes the binlog position that a snapshot starts from, such that every transaction in it was visible to every row read later, and the
/// position that it ends at. Which way is safe on which server was measured; see <c>docs/snapshot-position.md</c>.
/// </summary>
public static class SnapshotPosition
{
    private const int LockAttempts = 10;

    public static async Task<SourcePosition> TakeStartAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        if (!server.BinlogEnabled)
        {
            throw new MigrationException(
                "BinlogDisabled", MigrationErrorKind.WrongState,
                $"The source ({server.VersionText}) writes no binlog, so changes made during the export could not be captured. Start it with log_bin, binlog_format=ROW and binlog_row_image=FULL.", server.VersionText);
        }

        return server switch
        {
            { Flavor: SourceFlavor.MariaDb } => await FromConsistentSnapshotAsync(connection, server, cancellationToken),
            { GtidMode: true } => new SourcePosition
            {
                Flavor = SourceFlavor.MySql,
                ServerIdentity = server.Identity,
                Gtid = await GtidExecutedAsync(connection, cancellationToken),
            },
            _ => await UnderReadLockAsync(connection, server, cancellationToken),
        };
    }

    /// <summary>
    /// A position at or after every transaction that any earlier read has seen: the binlog is written before a commit becomes visible.
    /// </summary>
    public static async Task<SourcePosition> TakeEndAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        var status = await BinlogStatus.ReadAsync(connection, server, cancellationToken);
        return new SourcePosition
        {
            Flavor = server.Flavor,
            ServerIdentity = server.Identity,
            File = status.File,
            Offset = status.Offset,
            Gtid = server.Flavor == SourceFlavor.MariaDb
                ? await SourceConnections.ScalarAsync(connection, "SELECT @@global.gtid_binlog_pos", cancellationToken)
                : server.GtidMode ? status.GtidExecuted : null,
        };
    }

    /// <summary>True when the server that is connected now has executed everything in <paramref name="position"/>.</summary>
    public static async Task<bool> IsReachedAsync(MySqlConnection connection, SourceServer server, SourcePosition position, CancellationToken cancellationToken)
    {
        if (position.ServerIdentity == server.Identity)
        {
            return true;
        }

        if (position.Gtid is null)
        {
            return false;
        }

        if (server.Flavor == SourceFlavor.MySql)
        {
            await using var command = new MySqlCommand("SELECT GTID_SUBSET(@position, @@global.gtid_executed)", connection);
            command.Parameters.AddWithValue("@position", position.Gtid);
            return Convert.ToInt32(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture) == 1;
        }

        var current = await SourceConnections.ScalarAsync(connection, "SELECT @@global.gtid_current_pos", cancellationToken);
        return MariaDbSequences(position.Gtid).All(wanted => MariaDbSequences(current ?? "").Any(has => has.Domain == wanted.Domain && has.Sequence >= wanted.Sequence));
    }

    // gtid_executed is updated after a commit has become visible: a lower bound of what every later SELECT sees.
    private static async Task<string> GtidExecutedAsync(MySqlConnection connection, CancellationToken cancellationToken) =>
        (await SourceConnections.ScalarAsync(connection, "SELECT @@global.gtid_executed", cancellationToken) ?? "").Replace("\n", "", StringComparison.Ordinal);

    private static Task<SourcePosition> FromConsistentSnapshotAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken) =>
        InConsistentSnapshotAsync(connection, () => OfConsistentSnapshotAsync(connection, server, cancellationToken), cancellationToken);

    /// <summary>MariaDB: the place in the binlog up to which every transaction is visible now.</summary>
    internal static Task<(string File, long Offset)> VisiblePlaceAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken) =>
        InConsistentSnapshotAsync(connection, () => PlaceOfSnapshotAsync(connection, server, cancellationToken), cancellationToken);

    // On MariaDB only the snapshot's own status is exact: gtid_binlog_pos and SHOW MASTER STATUS run ahead of visibility.
    private static async Task<T> InConsistentSnapshotAsync<T>(MySqlConnection connection, Func<Task<T>> ask, CancellationToken cancellationToken)
    {
        await ExecuteAsync(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", cancellationToken);
        await ExecuteAsync(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT", cancellationToken);
        try
        {
            return await ask();
        }
        finally
        {
            // A connection that broke has nothing to roll back, and the error that it broke with is the one to be seen.
            if (connection.State == System.Data.ConnectionState.Open)
            {
                await ExecuteAsync(connection, "ROLLBACK", cancellationToken);
            }
        }
    }

    /// <summary>MariaDB: the exact position of the transaction with a consistent snapshot that is open on the connection.</summary>
    internal static async Task<SourcePosition> OfConsistentSnapshotAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        var (file, offset) = await PlaceOfSnapshotAsync(connection, server, cancellationToken);
        // The server reads the file from its start for this: not to be asked again and again.
        await using var gtid = new MySqlCommand("SELECT BINLOG_GTID_POS(@file, @offset)", connection);
        gtid.Parameters.AddWithValue("@file", file);
        gtid.Parameters.AddWithValue("@offset", offset);
        return new SourcePosition
        {
            Flavor = SourceFlavor.MariaDb,
            ServerIdentity = server.Identity,
            Gtid = await gtid.ExecuteScalarAsync(cancellationToken) as string,
            File = file,
            Offset = offset,
        };
    }

    private static async Task<(string File, long Offset)> PlaceOfSnapshotAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        string? file = null;
        long offset = 0;
        await using (var command = new MySqlCommand("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'", connection))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                switch (reader.GetString(0).ToUpperInvariant())
                {
                    case "BINLOG_SNAPSHOT_FILE": file = reader.GetString(1); break;
                    case "BINLOG_SNAPSHOT_POSITION": offset = long.Parse(reader.GetString(1), CultureInfo.InvariantCulture); break;
                }
            }
        }

        if (string.IsNullOrEmpty(file))
        {
            throw new MigrationException(
                "SnapshotPositionUnavailable", MigrationErrorKind.WrongState,
                $"The source ({server.VersionText}) does not report binlog_snapshot_file, so no safe start position can be taken. Use MariaDB 10.5 or later with log_bin.", server.VersionText);
        }

        return (file, offset);
    }

    // Without GTIDs the file position runs ahead of visibility; under the lock no commit is under way. The lock is never waited for
    // longer than a second, so that writers are not queued behind a long query.
    private static async Task<SourcePosition> UnderReadLockAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await ExecuteAsync(connection, "SET SESSION lock_wait_timeout = 1", cancellationToken);
                await ExecuteAsync(connection, "FLUSH TABLES WITH READ LOCK", cancellationToken);
                break;
            }
            catch (MySqlException e) when (e.ErrorCode == MySqlErrorCode.LockWaitTimeout && attempt < LockAttempts)
            {
                // A long statement holds its tables; the next attempt may fall between two.
            }
            catch (MySqlException e) when (e.ErrorCode is MySqlErrorCode.LockWaitTimeout)
            {
                throw new MigrationException(
                    "ReadLockTimeout", MigrationErrorKind.Busy,
                    $"The momentary read lock for the start position was not granted in {LockAttempts} attempts of a second: a long transaction or statement holds it back. Wait for it to end and run the same command again, or enable GTIDs (gtid_mode=ON), which need no lock.", server.VersionText, e);
            }
            catch (MySqlException e) when (e.Number is 1227 or 1044 or 1045)
            {
                throw new MigrationException(
                    "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
                    $"Without GTIDs the start position needs a momentary read lock, and the source account may not take it: {ErrorText.Sentence(e)} Grant RELOAD (MySQL 8: FLUSH_TABLES) and REPLICATION CLIENT, or enable GTIDs.", "RELOAD", e);
            }
        }

        try
        {
            var status = await BinlogStatus.ReadAsync(connection, server, cancellationToken);
            return new SourcePosition { Flavor = server.Flavor, ServerIdentity = server.Identity, File = status.File, Offset = status.Offset };
        }
        finally
        {
            if (connection.State == System.Data.ConnectionState.Open)
            {
                await ExecuteAsync(connection, "UNLOCK TABLES", CancellationToken.None);
            }
        }
    }

    private static IEnumerable<(string Domain, ulong Sequence)> MariaDbSequences(string position) => position
        .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(gtid => gtid.Split('-'))
        .Where(parts => parts.Length == 3)
        .Select(parts => (parts[0], ulong.Parse(parts[2], CultureInfo.InvariantCulture)));

    private static async Task ExecuteAsync(MySqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
