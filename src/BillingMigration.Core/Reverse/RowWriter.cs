using System.Text;
using System.Text.RegularExpressions;
using BillingMigration.Control;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Reverse;

/// <summary>
/// Writes rows of the source, many in a transaction. Foreign keys are not checked, because the rows of one unit come in any order; what the unit wrote was checked where it was written.
/// </summary>
internal sealed partial class RowWriter(MigrationSession session, Lease lease) : IAsyncDisposable
{
    private const int StatementsAtOnce = 200;
    private const int BytesAtOnce = 512 * 1024;

    // Strict, so that a value that does not fit is refused and not bent; what the source may hold already, as an invalid date, is taken.
    private const string Setup =
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', foreign_key_checks = 0, innodb_lock_wait_timeout = 10; SET SESSION TRANSACTION READ WRITE";

    private MySqlConnection? connection;

    /// <summary>Makes the rows what they are to be, all in one transaction.</summary>
    /// <returns>Those that the source did not take; with one, nothing was written.</returns>
    /// <exception cref="MySqlException">The connection broke, or another transaction was in the way: whether it was written is not known.</exception>
    public async Task<RefusedWrite?> TryWriteAsync(IReadOnlyCollection<RowWrite> writes, CancellationToken cancellationToken)
    {
        var statements = writes.Select(w => (Write: w, Text: w.Statement)).Where(s => s.Text is not null).ToList();
        if (statements.Count == 0)
        {
            return null;
        }

        try
        {
            var open = await OpenAsync(cancellationToken);
            await using var transaction = await open.BeginTransactionAsync(cancellationToken);
            RefusedWrite? refused;
            try
            {
                await ExecuteAsync(transaction, statements.Select(s => s.Text!), cancellationToken);
                refused = null;
            }
            catch (MySqlException e) when (statements.Count == 1 && Refusal(statements[0].Write, e) is { } known)
            {
                refused = known;
            }

            if (refused is not null)
            {
                await transaction.RollbackAsync(cancellationToken);
                return refused;
            }

            await lease.WaitHeldAsync(cancellationToken);
            // Once sent, it is not called back; what became of it is seen when the rows are read again.
            await transaction.CommitAsync(CancellationToken.None);
            return null;
        }
        catch (MySqlException e) when (SourceErrors.IsFenced(e))
        {
            await ForgetAsync();
            throw ReverseErrors.SourceReadOnly(session.Source.Source.Host, e);
        }
        catch (MySqlException e) when (e.ErrorCode is MySqlErrorCode.TableAccessDenied or MySqlErrorCode.ColumnAccessDenied)
        {
            throw ReverseErrors.WriteDenied(statements[0].Write.Model.Table.Name, e);
        }
        catch
        {
            await ForgetAsync();
            throw;
        }
    }

    /// <summary>True for what the source says of a row, and not of the connection or of another transaction.</summary>
    public static bool IsRefusal(Exception error) => error is MySqlException mysql && IsOfRow(mysql.ErrorCode);

    public ValueTask DisposeAsync() => connection?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async ValueTask ForgetAsync()
    {
        if (connection is { } broken)
        {
            connection = null;
            await broken.DisposeAsync();
        }
    }

    private async ValueTask<MySqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (connection is null)
        {
            await lease.WaitHeldAsync(cancellationToken);
            var opened = await session.Source.OpenConnectionAsync(cancellationToken);
            try
            {
                await SourceLock.TakeAsync(opened, session.Definition, Jobs.Reverse, cancellationToken);
                await using var setup = new MySqlCommand(Setup, opened);
                await setup.ExecuteNonQueryAsync(cancellationToken);
                connection = opened;
            }
            catch
            {
                await opened.DisposeAsync();
                throw;
            }
        }

        return connection;
    }

    private static async Task ExecuteAsync(MySqlTransaction transaction, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var count = 0;
        foreach (var statement in statements)
        {
            text.Append(statement).Append(';');
            if (++count == StatementsAtOnce || text.Length > BytesAtOnce)
            {
                await SendAsync();
            }
        }

        await SendAsync();

        async Task SendAsync()
        {
            if (count > 0)
            {
                await using var command = new MySqlCommand(text.ToString(), transaction.Connection, transaction);
                await command.ExecuteNonQueryAsync(cancellationToken);
                text.Clear();
                count = 0;
            }
        }
    }

    /// <summary>Values do not stand in it: the server's text may have personal ones.</summary>
    private static RefusedWrite? Refusal(RowWrite write, MySqlException error)
    {
        if (!IsOfRow(error.ErrorCode))
        {
            return null;
        }

        var number = (int)error.ErrorCode;
        if (error.ErrorCode == MySqlErrorCode.DuplicateKeyEntry)
        {
            return new RefusedWrite(write, "DuplicateKey", $"another row has its value of the unique key {Named(KeyName(), error.Message)} (error {number}).", true);
        }

        var column = Named(ColumnName(), error.Message);
        return new RefusedWrite(write, "ValueRefused", column.Length > 0 ? $"the column {column} cannot hold its value (error {number})." : $"a value or a CHECK constraint of it is not accepted (error {number}).", false);
    }

    private static string Named(Regex pattern, string message) => pattern.Match(message) is { Success: true } match ? match.Groups[1].Value : "";

    // Numbers of https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html; 4025 is MariaDB's CHECK.
    private static bool IsOfRow(MySqlErrorCode code) => (int)code is 1048 or 1062 or 1264 or 1265 or 1292 or 1364 or 1366 or 1367 or 1406 or 1411 or 1416 or 1644 or 3140 or 3141 or 3730 or 3819 or 4025 or 4078;

    [GeneratedRegex("for key '(.+)'$")]
    private static partial Regex KeyName();

    [GeneratedRegex("column '([^']+)'")]
    private static partial Regex ColumnName();
}
