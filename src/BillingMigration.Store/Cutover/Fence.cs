using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Store.Cutover;

/// <summary>
/// Keeps the source from being written. Its statements go over one connection, which has a lock of the server: a coordinator that was taken for dead, and wakes, has lost its connection.
/// </summary>
internal sealed class Fence(MigrationSession session, Lease lease, SourceFence kind, ImmutableArray<string> accounts) : IAsyncDisposable
{
    private const int NoSuchThread = 1094;
    private static readonly TimeSpan LetGoOn = TimeSpan.FromMilliseconds(200);

    private MySqlConnection? connection;

    public SourceFence Kind { get; } = kind;

    private bool IsMySql => session.Source.Server.Flavor == SourceFlavor.MySql;

    private string Needed => (Kind, IsMySql) switch
    {
        (SourceFence.ReadOnly, true) => "SYSTEM_VARIABLES_ADMIN and CONNECTION_ADMIN",
        (SourceFence.ReadOnly, false) => "READ_ONLY ADMIN",
        (_, true) => "CREATE USER, PROCESS and CONNECTION_ADMIN",
        _ => "CREATE USER, PROCESS and CONNECTION ADMIN",
    };

    /// <summary>Takes the right to open and close it.</summary>
    public async Task TakeAsync(CancellationToken cancellationToken)
    {
        await lease.WaitHeldAsync(cancellationToken);
        var opened = await session.Source.OpenConnectionAsync(cancellationToken);
        try
        {
            await SourceLock.TakeAsync(opened, session.Definition, Jobs.Switch, cancellationToken);
            if (Kind == SourceFence.AccountLock)
            {
                // Sessions of the migration only read; changing an account is a write.
                await SourceConnections.ScalarAsync(opened, "SET SESSION TRANSACTION READ WRITE", cancellationToken);
            }

            connection = opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <summary>Nobody writes to the source any more.</summary>
    /// <returns>Where it stands.</returns>
    public Task<SourcePosition> CloseAsync(CancellationToken cancellationToken) => AgainAsync(() => CloseOnceAsync(cancellationToken), cancellationToken);

    /// <summary>Whoever writes the table's changes back may write, and nobody else.</summary>
    public Task OpenForReverseAsync(CancellationToken cancellationToken) => Kind == SourceFence.ReadOnly && IsMySql
        ? AgainAsync(() => ExecuteAsync("SET GLOBAL super_read_only = OFF, read_only = ON", cancellationToken), cancellationToken)
        : Task.CompletedTask;

    /// <summary>All may write.</summary>
    public Task OpenAsync(CancellationToken cancellationToken) => AgainAsync(() => OpenOnceAsync(cancellationToken), cancellationToken);

    private async Task<SourcePosition> CloseOnceAsync(CancellationToken cancellationToken)
    {
        switch (Kind)
        {
            case SourceFence.ReadOnly:
                await CloseAllAsync(cancellationToken);
                break;
            case SourceFence.AccountLock:
                foreach (var account in Accounts())
                {
                    await ExecuteAsync($"ALTER USER {account} ACCOUNT LOCK", cancellationToken);
                }

                await EndConnectionsAsync(cancellationToken);
                break;
            default:
                break;
        }

        return await SnapshotPosition.TakeEndAsync(connection!, session.Source.Server, cancellationToken);
    }

    private async Task<bool> OpenOnceAsync(CancellationToken cancellationToken)
    {
        switch (Kind)
        {
            case SourceFence.ReadOnly:
                await ExecuteAsync(IsMySql ? "SET GLOBAL super_read_only = OFF, read_only = OFF" : "SET GLOBAL read_only = OFF", cancellationToken);
                break;
            case SourceFence.AccountLock:
                foreach (var account in Accounts())
                {
                    await ExecuteAsync($"ALTER USER {account} ACCOUNT UNLOCK", cancellationToken);
                }

                break;
            default:
                break;
        }

        return true;
    }

    /// <summary>Whether the source is fenced, by whomever.</summary>
    public static async Task<bool> IsReadOnlyAsync(MySqlConnection connection, CancellationToken cancellationToken) =>
        await SourceConnections.ScalarAsync(connection, "SELECT @@global.read_only", cancellationToken) is "1" or "ON";

    /// <exception cref="MigrationException"><c>FenceAccountsMissing</c>, <c>FenceAccountInvalid</c>, <c>FenceAccountOwn</c>.</exception>
    public async Task CheckAccountsAsync(CancellationToken cancellationToken)
    {
        if (Kind != SourceFence.AccountLock)
        {
            return;
        }

        if (accounts.IsEmpty)
        {
            throw SwitchErrors.NoAccounts();
        }

        var users = accounts.Select(a => Split(a).User).ToArray();
        await using var own = await session.Source.OpenConnectionAsync(cancellationToken);
        var self = await SourceConnections.ScalarAsync(own, "SELECT CURRENT_USER()", cancellationToken) ?? "";
        if (users.Contains(self[..self.LastIndexOf('@')], StringComparer.Ordinal))
        {
            throw SwitchErrors.OwnAccount(self);
        }
    }

    /// <summary>Accounts that write in spite of <c>read_only</c>; empty also where this account may not see those of others.</summary>
    public static async Task<ImmutableArray<string>> AboveReadOnlyAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        if (server.Flavor == SourceFlavor.MySql)
        {
            return [];
        }

        // MariaDB 10.11 and newer: SUPER has not got it any more. https://mariadb.com/kb/en/grant/#read_only-admin
        var found = ImmutableArray.CreateBuilder<string>();
        await using var command = new MySqlCommand(
            "SELECT GRANTEE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ('READ_ONLY ADMIN', 'READ ONLY ADMIN') ORDER BY GRANTEE", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            found.Add(reader.GetString(0));
        }

        return found.ToImmutable();
    }

    public ValueTask DisposeAsync() => connection?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static (string User, string Host) Split(string account)
    {
        var at = account.LastIndexOf('@');
        return at > 0 && at < account.Length - 1 && account.AsSpan().IndexOfAny("'\\\0") < 0 ? (account[..at], account[(at + 1)..]) : throw SwitchErrors.BadAccount(account);
    }

    private IEnumerable<string> Accounts() => accounts.Select(Split).Select(a => $"'{a.User}'@'{a.Host}'");

    /// <summary>Ends the connections of users of these names, from wherever, and returns when none is left: a commit that was under way is through by then, or never will be.</summary>
    private async Task EndConnectionsAsync(CancellationToken cancellationToken)
    {
        var users = string.Join(", ", accounts.Select(a => $"'{Split(a).User}'").Distinct(StringComparer.Ordinal));
        while (true)
        {
            var ids = new List<ulong>();
            await using (var command = new MySqlCommand($"SELECT ID FROM information_schema.PROCESSLIST WHERE USER IN ({users}) AND ID <> CONNECTION_ID()", connection))
            {
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    ids.Add(Convert.ToUInt64(reader.GetValue(0), CultureInfo.InvariantCulture));
                }
            }

            if (ids.Count == 0)
            {
                return;
            }

            foreach (var id in ids)
            {
                try
                {
                    await ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"KILL CONNECTION {id}"), cancellationToken);
                }
                catch (MySqlException e) when ((int)e.ErrorCode == NoSuchThread)
                {
                    // It has ended by itself.
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), session.Time, cancellationToken);
        }
    }

    /// <summary>
    /// Returns when no commit is under way any more. The server waits for statements that run, and lets none begin meanwhile: one that waits for a row, whose owner cannot go on, would be waited for until its
    /// innodb_lock_wait_timeout. So it is tried for a second, and again when those have gone on.
    /// </summary>
    private async Task CloseAllAsync(CancellationToken cancellationToken)
    {
        await ExecuteAsync("SET SESSION lock_wait_timeout = 1", cancellationToken);
        while (true)
        {
            try
            {
                await ExecuteAsync(IsMySql ? "SET GLOBAL super_read_only = ON" : "SET GLOBAL read_only = ON", cancellationToken);
                return;
            }
            catch (MySqlException e) when (e.ErrorCode == MySqlErrorCode.LockWaitTimeout)
            {
                await Task.Delay(LetGoOn, session.Time, cancellationToken);
            }
        }
    }

    /// <summary>All that is done to the fence may be done again: over a new connection, when the one breaks.</summary>
    private async Task<T> AgainAsync<T>(Func<Task<T>> action, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                if (connection is null)
                {
                    await TakeAsync(cancellationToken);
                }

                return await action();
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && SourceErrors.IsTransient(e))
            {
                if (connection is { } broken)
                {
                    connection = null;
                    await broken.DisposeAsync();
                }

                await Task.Delay(LetGoOn, session.Time, cancellationToken);
            }
        }
    }

    private async Task<bool> ExecuteAsync(string statement, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = new MySqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
            return true;
        }
        catch (MySqlException e) when ((int)e.ErrorCode is 1227 or 1045 or 1142 or 1044 or 1095)
        {
            throw SwitchErrors.FenceDenied(Kind, Needed, e);
        }
    }
}
