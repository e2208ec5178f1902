using System.Globalization;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>A version of a row, as the server itself wrote it down inside the transaction that made it.</summary>
/// <param name="Number">Grows with every version of the same row: a row's lock is held while its version is logged.</param>
internal sealed record RowVersion(long Number, string Entity, string Id, string Text);

/// <summary>
/// Triggers write every version of every row of three tables into a log table. Changes by foreign-key cascades fire no triggers; in the sample
/// they make a charge's <c>bill_id</c> or <c>subscriber_id</c> NULL when that parent is deleted, and touch the other two tables not at all as
/// long as nobody changes or deletes an account.
/// </summary>
internal sealed class VersionLog
{
    public const char Separator = '\u001f';
    public const string Null = "\u001e";

    private readonly TestDatabase database;

    private VersionLog(TestDatabase database) => this.database = database;

    public static IReadOnlyList<(string Entity, string Table, string Id, string[] Columns)> Logged { get; } =
    [
        ("BILLING_ACCOUNT", "billing_account", "account_id",
        [
            "account_id", "customer_id", "account_number", "status", "currency", "balance", "credit_limit", "bill_cycle_day", "payment_method", "iban",
            "preferences", "opened_at", "closed_at", "updated_at",
        ]),
        ("BILL", "bill", "bill_id",
        [
            "bill_id", "account_id", "bill_number", "status", "period_start", "period_end", "bill_date", "due_date", "subtotal", "tax_amount", "total",
            "amount_paid", "paid_at", "created_at",
        ]),
        ("CHARGE", "charge", "charge_id",
        [
            "charge_id", "account_id", "subscriber_id", "bill_id", "charge_type", "description", "quantity", "amount", "tax_amount", "charged_at", "created_at",
        ]),
    ];

    /// <summary>Creates log and triggers, and logs the rows that are there.</summary>
    public static async Task<VersionLog> CreateAsync(TestDatabase database)
    {
        await database.ExecuteAsync(
            "CREATE TABLE version_log (number BIGINT AUTO_INCREMENT PRIMARY KEY, entity VARCHAR(20) NOT NULL, id BIGINT UNSIGNED NOT NULL, text MEDIUMTEXT NOT NULL) CHARACTER SET utf8mb4");
        foreach (var (entity, table, id, columns) in Logged)
        {
            // TIMESTAMP is text in the session's zone: the sample's writers, the readers here and the export all use UTC.
            string Insert(string row) => $"INSERT INTO version_log (entity, id, text) SELECT '{entity}', {row}.{id}, {TextOf(row, columns)}";
            await database.ExecuteAsync($"SET time_zone = '+00:00'; {Insert("r")} FROM {table} r");
            await database.ExecuteAsync($"CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} FOR EACH ROW {Insert("NEW")}");
            await database.ExecuteAsync($"CREATE TRIGGER {table}_updated AFTER UPDATE ON {table} FOR EACH ROW {Insert("NEW")}");
        }

        return new VersionLog(database);
    }

    public async Task<long> CountAsync()
    {
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT COUNT(*) FROM version_log", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }

    /// <summary>Versions committed so far.</summary>
    public Task<IReadOnlyList<RowVersion>> ReadAsync() => QueryAsync("SELECT number, entity, id, text FROM version_log ORDER BY number");

    /// <summary>The rows as they are now, as versions without a number; of subscribers only that they are there.</summary>
    public async Task<IReadOnlyList<RowVersion>> ReadRowsAsync()
    {
        var rows = new List<RowVersion>(await QueryAsync("SELECT 0, 'SUBSCRIBER', subscriber_id, '' FROM subscriber"));
        foreach (var (entity, table, id, columns) in Logged)
        {
            rows.AddRange(await QueryAsync($"SELECT 0, '{entity}', r.{id}, {TextOf("r", columns)} FROM {table} r"));
        }

        return rows;
    }

    private static string TextOf(string row, string[] columns) =>
        $"CONCAT_WS(CHAR(31 USING utf8mb4), {string.Join(", ", columns.Select(c => $"COALESCE(CAST({row}.{c} AS CHAR), CHAR(30 USING utf8mb4))"))})";

    private async Task<IReadOnlyList<RowVersion>> QueryAsync(string sql)
    {
        await using var connection = await database.OpenAsync();
        await using var zone = new MySqlCommand("SET time_zone = '+00:00'", connection);
        await zone.ExecuteNonQueryAsync();
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var versions = new List<RowVersion>();
        while (await reader.ReadAsync())
        {
            versions.Add(new RowVersion(reader.GetInt64(0), reader.GetString(1), Convert.ToString(reader.GetValue(2), CultureInfo.InvariantCulture)!, reader.GetString(3)));
        }

        return versions;
    }
}
