using System.Globalization;
using System.Text.Json;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Benchmarks.Sync;
using BillingMigration.Definition;
using BillingMigration.Target;
using BillingMigration.Testing;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Benchmarks.Lookups;

/// <summary>Bills, and ten charges of each that are listed by their bill's state: 1,000,000 items whose keys are made with a column of another row.</summary>
internal sealed class LookupTable : IAsyncDisposable
{
    public const int ChargesPerBill = 10;

    private const int Segments = 256;

    private const string Definition = """
        {
          "name": "lookups",
          "source": { "host": "127.0.0.1", "database": "lookups", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "table": "lookups" },
          "indexes": [{ "name": "gsi1", "include": [] }, { "name": "gsi2", "include": [] }],
          "entities": [
            { "entity": "BILL", "table": "bill", "pk": "BILL#{bill_id}", "sk": "BILL" },
            {
              "entity": "CHARGE", "table": "charge", "pk": "CHARGE#{charge_id}", "sk": "CHARGE",
              "lookups": { "bill": { "table": "bill", "on": { "bill_id": "bill_id" } } },
              "indexes": {
                "gsi1": { "pk": "STATE#{bill.state}#{charge_id%64}", "sk": "CHARGE#{charge_id:D10}" },
                "gsi2": { "pk": "BILL#{bill_id}", "sk": "CHARGE#{charge_id:D10}" }
              }
            }
          ]
        }
        """;

    private LookupTable(TestDatabase database, SampleMigration migration, int bills) => (Database, Migration, Bills) = (database, migration, bills);

    public TestDatabase Database { get; }

    public SampleMigration Migration { get; }

    public int Bills { get; }

    public static SampleMigration Bind(string source, Uri endpoint, string table)
    {
        var migration = ExportWorker.Migration(source, endpoint, table);
        migration.Definition = MigrationDefinitionFile.Parse(Definition, null) with { Source = migration.Definition.Source, Target = migration.Definition.Target };
        return migration;
    }

    /// <param name="items">Bills and charges together.</param>
    public static async Task<LookupTable> CreateAsync(SqlServerProcess server, Uri endpoint, int items, CancellationToken cancellationToken)
    {
        var bills = items / (1 + ChargesPerBill);
        var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync($"""
            CREATE TABLE bill (bill_id INT NOT NULL PRIMARY KEY, state VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL);
            CREATE TABLE charge (charge_id INT NOT NULL PRIMARY KEY, bill_id INT NOT NULL, amount DECIMAL(12,4) NOT NULL, FOREIGN KEY (bill_id) REFERENCES bill (bill_id));
            CREATE TABLE number (n INT NOT NULL PRIMARY KEY);
            INSERT INTO number VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
            INSERT INTO bill SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n AS id, 'NEW' FROM number a, number b, number c, number d, number e, number f HAVING id <= {bills};
            INSERT INTO charge SELECT (bill_id - 1) * {ChargesPerBill} + n, bill_id, n + 0.5 FROM bill, number
            """);
        var migration = Bind(database.ConnectionString, endpoint, $"lookups-{Environment.ProcessId}-{server.Port}");
        await BenchmarkTables.CreateAsync(migration, indexed: true, cancellationToken);
        await SyncWorker.ExportAsync(migration, cancellationToken);
        return new LookupTable(database, migration, bills);
    }

    /// <summary>Bill, amount and state of each charge, as the source joins them, and as the items say it.</summary>
    /// <returns>Charges that differ, are missing or too many.</returns>
    public async Task<long> CompareAsync(CancellationToken cancellationToken)
    {
        var rows = new Dictionary<int, (int Bill, decimal Amount, string State)>(Bills * ChargesPerBill);
        await using (var connection = await Database.OpenAsync())
        await using (var command = new MySqlCommand("SELECT c.charge_id, c.bill_id, c.amount, b.state FROM charge c JOIN bill b USING (bill_id)", connection) { CommandTimeout = 0 })
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                rows.Add(reader.GetInt32(0), (reader.GetInt32(1), reader.GetDecimal(2), reader.GetString(3)));
            }
        }

        long differences = 0;
        await using var session = await Migration.ConnectAsync();
        using var items = new ItemReader(session.Target, Migration.Table, new TransferMetrics(), new RetryPolicy(), TimeProvider.System);
        await foreach (var item in items.ScanAsync(Segments, cancellationToken))
        {
            using var json = JsonDocument.Parse(item);
            string Value(string name) => json.RootElement.GetProperty(name).EnumerateObject().First().Value.GetString()!;
            if (Value("entity") == "CHARGE")
            {
                var found = (int.Parse(Value("bill_id"), CultureInfo.InvariantCulture), decimal.Parse(Value("amount"), CultureInfo.InvariantCulture), Value("gsi1pk").Split('#')[1]);
                differences += rows.Remove(int.Parse(Value("charge_id"), CultureInfo.InvariantCulture), out var row) && row == found ? 0 : 1;
            }
        }

        return differences + rows.Count;
    }

    public async ValueTask DisposeAsync()
    {
        await BenchmarkTables.DeleteAsync(Migration);
        await Migration.DisposeAsync();
        await Database.DisposeAsync();
    }
}
