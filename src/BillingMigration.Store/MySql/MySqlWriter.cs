using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Store.MySql;

/// <summary>Writes a unit as one transaction. The server has the last word on keys, foreign keys and CHECK.</summary>
/// <param name="gate">Passed before a unit is committed; null: it may always be.</param>
internal sealed partial class MySqlWriter(StoreConnections connections, IWriteGate? gate)
{
    private const int MostAttempts = 20;

    /// <returns>The rows as they are stored; null for those deleted.</returns>
    public async Task<ImmutableArray<BillingRecord?>> WriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await TryWriteAsync(changes, cancellationToken);
            }
            catch (MySqlException e) when (e.ErrorCode is MySqlErrorCode.LockDeadlock or MySqlErrorCode.LockWaitTimeout && attempt < MostAttempts)
            {
                // The transaction is gone as a whole, and each change is held against what it read: it is simply made again.
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(1, 10 * attempt)), cancellationToken);
            }
            catch (Exception e) when (gate is not null && IsNotBegun(e))
            {
                throw new NotRoutedException(e as MigrationException ?? connections.Failure(e, changes[0].Model.Table.Name));
            }
            catch (Exception e) when (e is MySqlException or IOException or System.Net.Sockets.SocketException)
            {
                throw (e is MySqlException refused ? Refusal(refused, changes[0].Model.Entity) : null) ?? (Exception)connections.Failure(e, changes[0].Model.Table.Name);
            }
        }
    }

    private async Task<ImmutableArray<BillingRecord?>> TryWriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken)
    {
        using var unit = gate?.Begin();
        await using var connection = await connections.OpenAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Before anything is written, and by all in the same order: an insert holds its parent with a lock that others share, and then two could wait for each other.
        foreach (var (change, row) in changes.Select(c => (Change: c, Row: c.Before ?? c.Add?.Key)).Where(c => c.Row is not null)
            .OrderBy(c => c.Change.Model.Entity, StringComparer.Ordinal).ThenBy(c => c.Change.Model.Describe(c.Row!), StringComparer.Ordinal))
        {
            await LockAsync(connection, transaction, change, row!, cancellationToken);
        }

        var written = new List<RowBuffer?>();
        foreach (var change in changes)
        {
            var row = change.After?.Copy();
            if (row is not null)
            {
                change.Complete(row, changes, written);
            }

            await ExecuteAsync(connection, transaction, change, row, cancellationToken);
            written.Add(row);
        }

        await ReadTouchedAsync(connection, transaction, changes, written, cancellationToken);
        unit?.Pass();
        try
        {
            // Once sent, it is not called back: who cancels then would not know what became of it.
            await transaction.CommitAsync(CancellationToken.None);
            unit?.Answered();
        }
        catch (Exception e) when (SourceErrors.IsTransient(e) && !SourceErrors.IsFenced(e))
        {
            throw StoreErrors.OutcomeUnknown(changes[0].Model.Entity, e);
        }

        return [.. written.Select((row, i) => row is null ? null : new BillingRecord(changes[i].Model, row))];
    }

    /// <summary>Rows that other changes of the unit have changed as well: by an addition, or by what goes with a row that is deleted.</summary>
    private static async Task ReadTouchedAsync(
        MySqlConnection connection, MySqlTransaction transaction, ImmutableArray<PlannedChange> changes, List<RowBuffer?> written, CancellationToken cancellationToken)
    {
        var deletes = changes.Any(c => c is { After: null, Add: null });
        for (var i = 0; i < changes.Length; i++)
        {
            var model = changes[i].Model;
            if (written[i] is { } row && (deletes || changes.Any(c => c.Add is { } sum && c.Model == model && model.IsSame(row, sum.Key, model.PrimaryKey))))
            {
                var select = new SelectStatement(model);
                await using var command = new MySqlCommand(select.ByKeys([row]), connection, transaction);
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                var now = new RowBuffer(model.Row.Length);
                if (!await reader.ReadAsync(cancellationToken))
                {
                    written[i] = null;
                    continue;
                }

                new RowReader(model, select).Read(reader, now);
                written[i] = now;
            }
        }
    }

    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/>.</exception>
    private static async Task LockAsync(MySqlConnection connection, MySqlTransaction transaction, PlannedChange change, RowBuffer before, CancellationToken cancellationToken)
    {
        var model = change.Model;
        var select = new SelectStatement(model);
        await using var command = new MySqlCommand(select.ByKeys([before]) + " FOR UPDATE", connection, transaction);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var now = new RowBuffer(model.Row.Length);
        var isThere = await reader.ReadAsync(cancellationToken);
        if (change.Add is not null)
        {
            // Whether it is there is seen when it is its turn in the unit.
            return;
        }

        if (!isThere)
        {
            throw StoreErrors.Gone(model, before);
        }

        new RowReader(model, select).Read(reader, now);
        if (!new BillingRecord(model, now).Equals(new BillingRecord(model, before)))
        {
            throw StoreErrors.Changed(model, before);
        }
    }

    private static async Task ExecuteAsync(MySqlConnection connection, MySqlTransaction transaction, PlannedChange change, RowBuffer? row, CancellationToken cancellationToken)
    {
        var sql = change.Add is { } sum ? RowStatements.Add(change.Model, sum.Key, sum.Column, sum.By, sum.Now)
            : row is null ? RowStatements.Delete(change.Model, change.Before!)
            : change.Before is { } before ? RowStatements.Update(change.Model, before, row)
            : RowStatements.Insert(change.Model, row, change.GeneratedKey);
        if (sql is null)
        {
            return;
        }

        await using var command = new MySqlCommand(sql, connection, transaction);
        var found = await command.ExecuteNonQueryAsync(cancellationToken);
        if (found == 0 && (change.Add?.Key ?? (row is null ? null : change.Before)) is { } missing)
        {
            // It was there when it was locked: another change of the unit has deleted it since.
            throw StoreErrors.Gone(change.Model, missing);
        }

        if (change.GeneratedKey >= 0)
        {
            row!.Set(change.GeneratedKey, command.LastInsertedId.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>True for troubles before the commit, of which the next attempt may know nothing: the server is read-only, or the way to it broke.</summary>
    private static bool IsNotBegun(Exception error) => error is not MigrationException { ErrorId: StoreErrors.OutcomeUnknownId }
        && (SourceErrors.IsFenced(error) || SourceErrors.IsTransient(error));

    private static StoreException? Refusal(MySqlException error, string entity)
    {
        static string Name(Match match) => match.Success ? match.Groups[1].Value : "";
        switch (error.ErrorCode)
        {
            case MySqlErrorCode.DuplicateKeyEntry:
                var key = Name(DuplicateKey().Match(error.Message)).Split('.')[^1];
                // The server's text has the value, which may be personal.
                return StoreErrors.Duplicate(key);
            case MySqlErrorCode.NoReferencedRow or MySqlErrorCode.NoReferencedRow2:
                return StoreErrors.ParentMissing(Name(Constraint().Match(error.Message)), error);
            case MySqlErrorCode.RowIsReferenced or MySqlErrorCode.RowIsReferenced2:
                return StoreErrors.HasChildren(Name(Constraint().Match(error.Message)), error);
            case MySqlErrorCode.LockDeadlock or MySqlErrorCode.LockWaitTimeout:
                return new StoreException(StoreError.Conflict, entity, $"Other transactions were in the way of this one, again and again: {error.Message}", error);
            case (MySqlErrorCode)1467:
                return new StoreException(StoreError.ValueInvalid, entity, $"The counter of {entity} is at the end of its column: no key can be generated any more.", error);
            case MySqlErrorCode.WarningDataOutOfRange:
                return new StoreException(StoreError.ValueInvalid, Name(Column().Match(error.Message)), "A value, or a sum, does not fit its column. Nothing of the unit is written.", error);
            case (MySqlErrorCode)3819 or (MySqlErrorCode)4025:
                return new StoreException(StoreError.ValueInvalid, Name(Check().Match(error.Message)), $"A CHECK constraint of the source refuses the row: {error.Message}", error);
            default:
                return null;
        }
    }

    [GeneratedRegex("for key '(.+)'$")]
    private static partial Regex DuplicateKey();

    [GeneratedRegex("for column '([^']+)'")]
    private static partial Regex Column();

    [GeneratedRegex("CONSTRAINT `([^`]+)`")]
    private static partial Regex Constraint();

    [GeneratedRegex("[`'](.+?)[`']")]
    private static partial Regex Check();
}
