using System.Globalization;
using System.Runtime.CompilerServices;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>Queries on <c>information_schema</c> for one database and, when names are given, for those tables only.</summary>
internal sealed class DictionaryQuery(MySqlConnection connection, string database, IReadOnlyCollection<string> tables)
{
    public string Database => database;

    /// <summary>Runs <paramref name="select"/>, which ends with <c>WHERE … AND</c> or <c>WHERE</c>.</summary>
    public IAsyncEnumerable<MySqlDataReader> ReadTablesAsync(string select, string order, CancellationToken cancellationToken)
    {
        var names = string.Join(", ", tables.Select((_, i) => "@table" + i.ToString(CultureInfo.InvariantCulture)));
        return ReadAsync($"{select}TABLE_SCHEMA = @database{(tables.Count == 0 ? string.Empty : $" AND TABLE_NAME IN ({names})")}{order}", cancellationToken);
    }

    /// <summary>The reader itself for each row: valid until the next one.</summary>
    public async IAsyncEnumerable<MySqlDataReader> ReadAsync(string sql, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = Command(sql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            yield return reader;
        }
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = Command(sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The session's value of a variable, or null where the server has no such variable.</summary>
    public async Task<string?> FindVariableAsync(string name, CancellationToken cancellationToken)
    {
        await foreach (var row in ReadAsync($"SHOW SESSION VARIABLES LIKE '{name}'", cancellationToken))
        {
            return row.GetString(1);
        }

        return null;
    }

    private MySqlCommand Command(string sql)
    {
        var command = new MySqlCommand(sql, connection);
        command.Parameters.AddWithValue("@database", database);
        foreach (var (name, i) in tables.Select((name, i) => (name, i)))
        {
            command.Parameters.AddWithValue("@table" + i.ToString(CultureInfo.InvariantCulture), name);
        }

        return command;
    }
}

internal static class DictionaryRow
{
    public static string? Text(this MySqlDataReader row, int ordinal) => row.IsDBNull(ordinal) ? null : row.GetString(ordinal);

    /// <summary>Servers differ in the integer type of the same column, unsigned or not.</summary>
    public static long? Number(this MySqlDataReader row, int ordinal) =>
        row.IsDBNull(ordinal) ? null : Convert.ToInt64(row.GetValue(ordinal), CultureInfo.InvariantCulture);
}
