using BillingMigration.Control;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>Names that the definition spells otherwise than the server, which takes them for the same.</summary>
public sealed class NameTests(TestServers servers)
{
    private const string Definition = """
        {
          "name": "names",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "entities": [{ "entity": "BILL", "table": "BILL", "pk": "BILL#{id}", "sk": "BILL" }, { "entity": "CHARGE", "table": "Charge", "pk": "BILL#{bill}", "sk": "CHARGE#{id}" }]
        }
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Changes_arrive_whatever_the_case_of_names(bool mariaDb)
    {
        await using SqlServerProcess server = mariaDb ? await MariaDbServer.StartAsync("--lower-case-table-names=1") : await MySqlServer.StartAsync("--lower-case-table-names=1");
        await using var shop = await LookupShop.CreateAsync(
            servers,
            server,
            """
            CREATE TABLE Bill (id INT PRIMARY KEY, amount INT);
            CREATE TABLE charge (id INT PRIMARY KEY, bill INT NOT NULL, amount INT, FOREIGN KEY (bill) REFERENCES bill (id) ON DELETE CASCADE);
            INSERT INTO bill VALUES (1, 100), (2, 200), (3, 300); INSERT INTO charge VALUES (1, 1, 10), (2, 2, 20), (3, 3, 30);
            """,
            Definition,
            name => name.ToUpperInvariant());
        await shop.ExportAsync();
        await shop.Database.ExecuteAsync("UPDATE BILL SET amount = 111 WHERE id = 1; DELETE FROM bill WHERE id = 2; INSERT INTO Bill VALUES (4, 400); INSERT INTO CHARGE VALUES (4, 4, 40)");
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await AssertEqualAsync(shop);

        // A statement that says no rows.
        await shop.Database.ExecuteAsync("SET FOREIGN_KEY_CHECKS = 0; TRUNCATE TABLE Bill; INSERT INTO BILL VALUES (1, 7), (3, 8), (4, 9)");
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await AssertEqualAsync(shop);
    }

    private static async Task AssertEqualAsync(LookupShop shop)
    {
        var expected = new List<string>();
        await using var connection = await shop.Database.OpenAsync();
        await using var command = new MySqlCommand("SELECT CONCAT('BILL ', id, ' ', amount) FROM bill UNION ALL SELECT CONCAT('CHARGE ', id, ' ', amount) FROM charge", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            expected.Add(reader.GetString(0));
        }

        var items = (await shop.ItemsAsync()).Select(i => $"{i["entity"].S} {i["id"].N} {i["amount"].N}");
        Assert.Equal(expected.Order(StringComparer.Ordinal), items.Order(StringComparer.Ordinal));
    }
}
