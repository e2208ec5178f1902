using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using BillingMigration.Definition;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>
/// A named lock of the source server that belongs to one connection. Whoever may do a job takes it for the connection by which he does it, and ends the connection of one who had it before: what that one
/// has not committed never is, however late it wakes.
/// </summary>
internal static class SourceLock
{
    private static readonly TimeSpan WaitForEnd = TimeSpan.FromSeconds(10);

    /// <exception cref="MigrationException"><c>SourceLockHeld</c>: the connection that has it could not be ended.</exception>
    public static async Task TakeAsync(MySqlConnection connection, MigrationDefinition definition, string job, CancellationToken cancellationToken)
    {
        var name = Name(definition, job);
        if (await TryAsync(connection, name, TimeSpan.Zero, cancellationToken))
        {
            return;
        }

        var holder = await SourceConnections.ScalarAsync(connection, $"SELECT IS_USED_LOCK('{name}')", cancellationToken);
        if (holder is not null)
        {
            try
            {
                await using var kill = new MySqlCommand($"KILL CONNECTION {holder}", connection);
                await kill.ExecuteNonQueryAsync(cancellationToken);
            }
            catch (MySqlException e) when (e.ErrorCode is (MySqlErrorCode)1094)
            {
                // ER_NO_SUCH_THREAD: it has just ended.
            }
            catch (MySqlException e) when (e.ErrorCode is (MySqlErrorCode)1095 or (MySqlErrorCode)1227)
            {
                throw Held(job, holder, e);
            }
        }

        if (!await TryAsync(connection, name, WaitForEnd, cancellationToken))
        {
            throw Held(job, holder ?? "?", null);
        }
    }

    /// <summary>64 characters are the most that a name may have (GET_LOCK of MySQL 5.7 and later; MariaDB allows more).</summary>
    private static string Name(MigrationDefinition definition, string job) =>
        "BillingMigration/" + job + "/" + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{definition.Source.Database}\t{definition.Name}")).AsSpan(0, 8));

    private static async Task<bool> TryAsync(MySqlConnection connection, string name, TimeSpan wait, CancellationToken cancellationToken) =>
        await SourceConnections.ScalarAsync(connection, string.Create(CultureInfo.InvariantCulture, $"SELECT GET_LOCK('{name}', {wait.TotalSeconds:0})"), cancellationToken) == "1";

    private static MigrationException Held(string job, string holder, Exception? cause) => new(
        "SourceLockHeld", MigrationErrorKind.Busy,
        $"Connection {holder} of the source does the job {job} too, and could not be ended. End it (KILL CONNECTION {holder}), or give the account CONNECTION_ADMIN (MySQL) or CONNECTION ADMIN (MariaDB), and run the same command again.", holder, cause);
}
