using System.Globalization;
using System.Text.Json.Nodes;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>The sample's definition as a file, for a database of a test.</summary>
internal static class SampleFile
{
    /// <returns>Its path.</returns>
    public static async Task<string> WriteAsync(DirectoryInfo folder, TestDatabase database, Uri endpoint, Action<JsonNode>? change = null)
    {
        var json = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "sample.migration.json")))!;
        json["source"]!["port"] = database.Server.Port;
        json["source"]!["database"] = database.Name;
        json["target"]!["endpointUrl"] = endpoint.ToString();
        json["target"]!["table"] = $"billing-{database.Name}";
        json.AsObject().Remove("$schema");
        change?.Invoke(json);
        var path = Path.Combine(folder.FullName, "migration.json");
        await File.WriteAllTextAsync(path, json.ToJsonString());
        return path;
    }

    /// <summary>An account with all that belongs to it.</summary>
    public static string AccountSql(int account, int charges)
    {
        var subscribers = Enumerable.Range(account * 10, 2).ToArray();
        var rows = Enumerable.Range(0, charges).Select(i => string.Create(
            CultureInfo.InvariantCulture,
            $"({account}, {subscribers[i % 2]}, {(i % 3 == 0 ? "NULL" : account)}, 'USAGE', 'Call {i}', 1, {i}.25, 0.05, '2026-01-{1 + (i % 28):00} 10:00:00')"));
        return $"""
            INSERT INTO customer (customer_id, customer_number, address) VALUES ({account}, 'C{account}', '[]');
            INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, iban, opened_at)
              VALUES ({account}, {account}, 'A{account}', 'EUR', 1, 'DE0{account}', '2025-01-01');
            INSERT INTO subscriber (subscriber_id, account_id, phone_number, activated_at)
              VALUES {string.Join(", ", subscribers.Select(s => $"({s}, {account}, '+49{s}', '2025-01-01')"))};
            INSERT INTO service_agreement (subscriber_id, account_id, product_code, monthly_fee, start_date)
              VALUES {string.Join(", ", subscribers.Select(s => $"({s}, {account}, 'FLAT', 9.99, '2025-01-01')"))};
            INSERT INTO bill (bill_id, account_id, bill_number, period_start, period_end, bill_date, due_date, subtotal, tax_amount, total)
              VALUES ({account}, {account}, 'B{account}', '2026-01-01', '2026-01-31', '2026-02-01', '2026-02-15', 10, 2, 12);
            INSERT INTO charge (account_id, subscriber_id, bill_id, charge_type, description, quantity, amount, tax_amount, charged_at)
              VALUES {string.Join(", ", rows)};
            """;
    }
}
