using BillingMigration.Control;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Sync;

/// <summary>Foreign keys that begin in tables that are not migrated, or lead through them, also in another database, and reach migrated rows unseen.</summary>
public sealed class OutsideTests(TestServers servers)
{
    private const string Schema = """
        CREATE TABLE OTHER.region (region_id INT PRIMARY KEY);
        INSERT INTO OTHER.region VALUES (1), (2);
        CREATE TABLE brand (brand_id INT PRIMARY KEY, region_id INT, FOREIGN KEY (region_id) REFERENCES OTHER.region (region_id) ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO brand VALUES (1, 1), (2, 2);
        CREATE TABLE tariff (tariff_id INT PRIMARY KEY, brand_id INT, note VARCHAR(30), FOREIGN KEY (brand_id) REFERENCES brand (brand_id) ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO tariff VALUES (1, 1, NULL), (2, 2, NULL), (3, 1, NULL);
        CREATE TABLE customer (customer_id INT PRIMARY KEY, tariff_id INT, FOREIGN KEY (tariff_id) REFERENCES tariff (tariff_id) ON DELETE SET NULL ON UPDATE CASCADE);
        INSERT INTO customer VALUES (1, 1), (2, 2), (3, 3), (4, 1), (5, NULL);
        CREATE TABLE account (customer_id INT, account_no INT, tariff_id INT, PRIMARY KEY (customer_id, account_no),
          FOREIGN KEY (customer_id) REFERENCES customer (customer_id) ON DELETE CASCADE ON UPDATE CASCADE, FOREIGN KEY (tariff_id) REFERENCES tariff (tariff_id) ON DELETE CASCADE);
        INSERT INTO account VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3), (3, 1, NULL), (5, 1, 1);
        """;

    private const string Definition = """
        {
          "name": "outside-shop",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "indexes": [{ "name": "gsi1" }],
          "entities": [
            { "entity": "CUSTOMER", "table": "customer", "pk": "CUSTOMER#{customer_id}", "sk": "CUSTOMER", "indexes": { "gsi1": { "pk": "TARIFF#{tariff_id}", "sk": "CUSTOMER#{customer_id}" } } },
            { "entity": "BILLING_ACCOUNT", "table": "account", "pk": "CUSTOMER#{customer_id}", "sk": "ACCOUNT#{account_no}", "indexes": { "gsi1": { "pk": "TARIFF#{tariff_id}", "sk": "ACCOUNT#{customer_id}#{account_no}" } } }
          ]
        }
        """;

    private static readonly string[] Expected =
    [
        "SELECT CONCAT('entity=CUSTOMER pk=CUSTOMER#', customer_id, ' sk=CUSTOMER customer_id=', customer_id, IF(tariff_id IS NULL, '', CONCAT(' gsi1pk=TARIFF#', tariff_id, ' gsi1sk=CUSTOMER#', customer_id, ' tariff_id=', tariff_id))) FROM customer",
        "SELECT CONCAT('entity=BILLING_ACCOUNT pk=CUSTOMER#', customer_id, ' sk=ACCOUNT#', account_no, ' account_no=', account_no, ' customer_id=', customer_id, IF(tariff_id IS NULL, '', CONCAT(' gsi1pk=TARIFF#', tariff_id, ' gsi1sk=ACCOUNT#', customer_id, '#', account_no, ' tariff_id=', tariff_id))) FROM account",
    ];

    public static TheoryData<string, bool> Changes
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (var change in (string[])[
                "DELETE FROM tariff WHERE tariff_id = 1",
                "UPDATE tariff SET note = 'no one refers to it'",
                "UPDATE account SET tariff_id = NULL; UPDATE tariff SET tariff_id = 9 WHERE tariff_id = 1",
                "DELETE FROM brand WHERE brand_id = 1",
                "DELETE FROM OTHER.region WHERE region_id = 1",
                "UPDATE OTHER.region SET region_id = 8 WHERE region_id = 1",
                "UPDATE customer SET customer_id = 70 WHERE customer_id = 1; UPDATE customer SET customer_id = 1 WHERE customer_id = 2; UPDATE account SET account_no = 5 WHERE customer_id = 70 AND account_no = 1",
                "DELETE FROM customer WHERE customer_id = 1",
            ])
            {
                data.Add(change, false);
                data.Add(change, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_cascade_comes_through_them(string change, bool mariaDb)
    {
        await using var other = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await using (var shop = await LookupShop.CreateAsync(servers, mariaDb, Schema.Replace("OTHER", other.Name), Definition))
        {
            await shop.ExportAsync();
            await shop.SyncAsync();
            await using (var connection = await shop.Database.OpenAsync())
            {
                await connection.ResetConnectionAsync(TestContext.Current.CancellationToken);
                await using var command = new MySqlConnector.MySqlCommand(change.Replace("OTHER", other.Name), connection);
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            }

            Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
            await shop.AssertEqualAsync(Expected);
        }
    }
}
