using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>
/// Changes as applications make them: transactions of 20 rows, ten charges inserted, seven changed (five of them new, two older), three old ones deleted. The server writes
/// them itself, as fast as it can.
/// </summary>
internal static class SteadyChanges
{
    private const string Procedure = """
        CREATE PROCEDURE change_steadily(IN wanted BIGINT, OUT changed BIGINT)
        BEGIN
          DECLARE n, first, account, subscriber BIGINT DEFAULT 0;
          SET changed = 0;
          WHILE changed < wanted DO
            SET n = n + 1;
            SELECT s.account_id, s.subscriber_id INTO account, subscriber FROM subscriber s
              WHERE s.subscriber_id >= 1 + MOD(n, (SELECT MAX(subscriber_id) FROM subscriber)) ORDER BY s.subscriber_id LIMIT 1;
            START TRANSACTION;
            INSERT INTO charge (account_id, subscriber_id, charge_type, description, quantity, amount, tax_amount, charged_at)
              SELECT account, subscriber, 'USAGE', CONCAT('change ', n, ', part ', i), 1.5, i + 0.1234, 0.0234, '2026-01-01' + INTERVAL n SECOND
              FROM JSON_TABLE('[1,2,3,4,5,6,7,8,9,10]', '$[*]' COLUMNS (i INT PATH '$')) numbers;
            SET changed = changed + ROW_COUNT(), first = LAST_INSERT_ID();
            UPDATE charge SET amount = amount + 1, description = CONCAT(description, ', corrected') WHERE charge_id >= first ORDER BY charge_id LIMIT 5;
            SET changed = changed + ROW_COUNT();
            UPDATE charge SET tax_amount = tax_amount + 0.01 WHERE charge_id >= first - 1000 ORDER BY charge_id LIMIT 2;
            SET changed = changed + ROW_COUNT();
            DELETE FROM charge WHERE charge_id < first - 5000 AND charge_id >= first - 10000 ORDER BY charge_id DESC LIMIT 3;
            SET changed = changed + ROW_COUNT();
            COMMIT;
          END WHILE;
        END
        """;

    /// <returns>Rows that were changed: so many or a few more.</returns>
    public static async Task<long> WriteAsync(ExportedSample sample, long changes)
    {
        await sample.Database.ExecuteAsync(Procedure);
        await using var connection = await sample.Database.OpenAsync();
        await using var command = new MySqlCommand($"CALL change_steadily({changes}, @changed); SELECT @changed", connection) { CommandTimeout = 3600 };
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }
}
