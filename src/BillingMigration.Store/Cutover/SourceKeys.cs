using System.Globalization;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Store.Cutover;

/// <summary>Where the source's generated keys go on.</summary>
internal static class SourceKeys
{
    /// <summary>No key up to this one is given any more. Changes nothing where that is so.</summary>
    /// <exception cref="MigrationException"><c>SourcePrivilegeMissing</c>.</exception>
    public static async Task RaiseAsync(MySqlConnection connection, EntityModel entity, decimal highest, CancellationToken cancellationToken)
    {
        var table = SelectStatement.Name(entity.Table.Name);
        var create = await CreateTableAsync(connection, table, cancellationToken);
        const string Option = " AUTO_INCREMENT=";
        var at = create.LastIndexOf(Option, StringComparison.Ordinal);
        var next = at < 0 ? 1 : decimal.Parse(new string([.. create[(at + Option.Length)..].TakeWhile(char.IsAsciiDigit)]), CultureInfo.InvariantCulture);
        if (next > highest)
        {
            return;
        }

        try
        {
            await using var alter = new MySqlCommand(string.Create(CultureInfo.InvariantCulture, $"SET SESSION TRANSACTION READ WRITE; ALTER TABLE {table} AUTO_INCREMENT = {highest + 1}"), connection);
            await alter.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (MySqlException e) when (e.ErrorCode == MySqlErrorCode.TableAccessDenied)
        {
            throw new MigrationException(
                "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
                $"The source account may not set where the keys of {entity.Table.Name} go on: {ErrorText.Sentence(e)} Grant it: GRANT ALTER ON {entity.Table.Name} TO the account.", entity.Table.Name, e);
        }
    }

    /// <summary>The dictionary's own figure is cached for hours (information_schema_stats_expiry), this one is not.</summary>
    private static async Task<string> CreateTableAsync(MySqlConnection connection, string table, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand($"SHOW CREATE TABLE {table}", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetString(1);
    }
}
