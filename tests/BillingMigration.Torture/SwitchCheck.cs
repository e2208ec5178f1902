using System.Globalization;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>Holds what clients were told against what is in the source, which is equal to the table by then.</summary>
internal static class SwitchCheck
{
    /// <returns>What was acknowledged and is not there once, what is there and nobody has sent, and sums that are not right.</returns>
    public static async Task<IReadOnlyList<string>> RunAsync(TestDatabase database, SwitchLog said, long[] accounts, CancellationToken cancellationToken)
    {
        var wrong = new List<string>();
        var ids = string.Join(',', accounts);
        await using var connection = await database.OpenAsync();
        Compare("charge", await ReadAsync($"SELECT description, COUNT(*) FROM charge WHERE account_id IN ({ids}) GROUP BY description"));
        Compare("bill", await ReadAsync($"SELECT bill_number, COUNT(*) FROM bill WHERE account_id IN ({ids}) GROUP BY bill_number"));
        var paid = await ReadAsync($"SELECT bill_id, CAST(amount_paid AS SIGNED) FROM bill WHERE account_id IN ({ids})");
        foreach (var (bill, (acknowledged, begun)) in said.Payments())
        {
            var amount = paid.GetValueOrDefault(bill);
            if (amount < acknowledged || amount > begun)
            {
                wrong.Add($"bill {bill} has {amount} payments, {acknowledged} were acknowledged and {begun} begun");
            }
        }

        foreach (var (what, sql) in new[]
        {
            ("balances that are not their charges and payments", $"SELECT a.account_id, a.balance - COALESCE((SELECT SUM(amount + tax_amount) FROM charge c WHERE c.account_id = a.account_id), 0) + COALESCE((SELECT SUM(amount_paid) FROM bill b WHERE b.account_id = a.account_id), 0) AS off FROM billing_account a WHERE a.account_id IN ({ids}) HAVING off <> 0"),
            ("bills that are not the sum of their charges", $"SELECT b.bill_id, b.subtotal - COALESCE((SELECT SUM(amount) FROM charge c WHERE c.bill_id = b.bill_id), 0) AS off FROM bill b WHERE b.account_id IN ({ids}) HAVING off <> 0"),
        })
        {
            wrong.AddRange((await ReadAsync(sql)).Select(row => $"{what}: {row.Key} by {row.Value}"));
        }

        return wrong;

        void Compare(string kind, Dictionary<string, decimal> found)
        {
            var begun = said.Begun(kind);
            wrong.AddRange(said.Acknowledged(kind).Where(id => found.GetValueOrDefault(id) != 1).Select(id => $"{kind} {id} was acknowledged and is there {found.GetValueOrDefault(id)} times"));
            wrong.AddRange(found.Where(f => f.Value > 1).Select(f => $"{kind} {f.Key} is there {f.Value} times"));
            wrong.AddRange(found.Keys.Where(id => !begun.Contains(id)).Select(id => $"{kind} {id} is there and nobody has sent it"));
        }

        async Task<Dictionary<string, decimal>> ReadAsync(string sql)
        {
            var rows = new Dictionary<string, decimal>(StringComparer.Ordinal);
            await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 600 };
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                rows.Add(Convert.ToString(reader.GetValue(0), CultureInfo.InvariantCulture)!, Convert.ToDecimal(reader.GetValue(1), CultureInfo.InvariantCulture));
            }

            return rows;
        }
    }
}
