using System.Globalization;
using System.Text.RegularExpressions;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Store.MySql;

/// <summary>Where the source's generated keys go on.</summary>
internal static partial class SourceKeys
{
    /// <summary>The highest key that the source has given, also to a row that is gone, or that a row was changed to; 0: none.</summary>
    public static async Task<decimal> FindHighestAsync(MySqlConnection connection, EntityModel entity, CancellationToken cancellationToken)
    {
        var table = SelectStatement.Name(entity.Table.Name);
        var given = await FindNextAsync(connection, table, cancellationToken) - 1;
        await using var command = new MySqlCommand($"SELECT MAX({SelectStatement.Name(entity.Table.Columns.First(c => c.AutoIncrement).Name)}) FROM {table}", connection);
        var highest = await command.ExecuteScalarAsync(cancellationToken);
        return Math.Max(given, highest is null or DBNull ? 0 : Convert.ToDecimal(highest, CultureInfo.InvariantCulture));
    }

    /// <summary>No key up to this one is given any more. Changes nothing where that is so.</summary>
    /// <exception cref="MigrationException"><c>SourcePrivilegeMissing</c>.</exception>
    public static async Task RaiseAsync(MySqlConnection connection, EntityModel entity, decimal highest, CancellationToken cancellationToken)
    {
        var table = SelectStatement.Name(entity.Table.Name);
        if (await FindNextAsync(connection, table, cancellationToken) > highest)
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
    private static async Task<decimal> FindNextAsync(MySqlConnection connection, string table, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand($"SHOW CREATE TABLE {table}", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var option = NextKey().Match(reader.GetString(1));
        return option.Success ? decimal.Parse(option.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 1;
    }

    /// <summary>In the line of the table's options, before its comment; line breaks in comments are shown as \n.</summary>
    [GeneratedRegex(@"^\) ENGINE=(?:(?! COMMENT=).)* AUTO_INCREMENT=([0-9]+)", RegexOptions.Multiline)]
    private static partial Regex NextKey();
}
