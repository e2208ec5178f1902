using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>
/// A change stands in the binlog a moment before other sessions see it. Rows that are read again because of it must be read after that moment.
/// </summary>
internal static class SourceVisibility
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>True when nothing tells whether a change is visible yet: rows must then be read with locks, which wait for commits that are under way.</summary>
    public static bool NeedsLocks(SourceServer server) => server is { Flavor: SourceFlavor.MySql, GtidMode: false };

    /// <summary>Returns when every transaction up to a position of this server's stream is visible.</summary>
    /// <exception cref="AnotherServerException">The position is that of another server: its stream is to be taken up first.</exception>
    public static async Task WaitAsync(MySqlConnection connection, SourceServer server, SourcePosition position, TimeProvider time, CancellationToken cancellationToken)
    {
        if (position.ServerIdentity != server.Identity)
        {
            throw new AnotherServerException($"The source is another server than a moment ago: {server.Identity} instead of {position.ServerIdentity}.");
        }

        while (!NeedsLocks(server) && !await IsVisibleAsync(connection, server, position, cancellationToken))
        {
            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    private static async Task<bool> IsVisibleAsync(MySqlConnection connection, SourceServer server, SourcePosition position, CancellationToken cancellationToken)
    {
        if (server.Flavor == SourceFlavor.MySql)
        {
            // gtid_executed is updated when the commit is visible.
            await using var command = new MySqlCommand("SELECT GTID_SUBSET(@position, @@global.gtid_executed)", connection);
            command.Parameters.AddWithValue("@position", position.Gtid ?? "");
            return Convert.ToInt32(await command.ExecuteScalarAsync(cancellationToken), System.Globalization.CultureInfo.InvariantCulture) == 1;
        }

        return position.File is null || Changes.StreamPoint.Compare(await SnapshotPosition.VisiblePlaceAsync(connection, server, cancellationToken), (position.File, position.Offset ?? 0)) >= 0;
    }
}
