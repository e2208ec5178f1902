using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>Rows that the source has and the table has not, and rows whose parent neither has.</summary>
public sealed class SetAsideParentTests(TestServers servers)
{
    private const string Schema = """
        CREATE TABLE root (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 0);
        CREATE TABLE middle (id INT PRIMARY KEY, root_id INT NULL, note MEDIUMTEXT NULL, FOREIGN KEY (root_id) REFERENCES root (id) ON DELETE CASCADE ON UPDATE CASCADE);
        CREATE TABLE leaf (id INT PRIMARY KEY, middle_id INT NULL, FOREIGN KEY (middle_id) REFERENCES middle (id) ON DELETE CASCADE ON UPDATE SET NULL);
        INSERT INTO root VALUES (1, 0), (2, 0), (3, 0);
        INSERT INTO middle VALUES (1, 1, REPEAT('x', 500000)), (2, 1, 'small'), (3, 2, REPEAT('y', 500000)), (4, 3, NULL);
        INSERT INTO leaf VALUES (1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, NULL);
        SET foreign_key_checks = 0; INSERT INTO leaf VALUES (7, 99); INSERT INTO middle VALUES (8, 98, NULL); INSERT INTO leaf VALUES (9, 8); SET foreign_key_checks = 1
        """;

    private const string Definition = """
        {
          "name": "set-aside",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "indexes": [{ "name": "gsi1" }],
          "entities": [
            { "entity": "ROOT", "table": "root", "pk": "ROOT#{id}", "sk": "ROOT" },
            { "entity": "MIDDLE", "table": "middle", "pk": "MIDDLE#{id}", "sk": "MIDDLE", "indexes": { "gsi1": { "pk": "ROOT#{root_id}", "sk": "MIDDLE#{id}" } } },
            { "entity": "LEAF", "table": "leaf", "pk": "LEAF#{id}", "sk": "LEAF", "indexes": { "gsi1": { "pk": "MIDDLE#{middle_id}", "sk": "LEAF#{id}" } } }
          ]
        }
        """;

    private static readonly string[] Expected =
    [
        "SELECT CONCAT('entity=ROOT pk=ROOT#', id, ' sk=ROOT id=', id, ' n=', n) FROM root",
        "SELECT CONCAT('entity=MIDDLE pk=MIDDLE#', id, ' sk=MIDDLE', IF(root_id IS NULL, '', CONCAT(' gsi1pk=ROOT#', root_id, ' gsi1sk=MIDDLE#', id)), ' id=', id, IF(note IS NULL, '', CONCAT(' note=', note)), IF(root_id IS NULL, '', CONCAT(' root_id=', root_id))) FROM middle WHERE note IS NULL OR LENGTH(note) < 1000",
        "SELECT CONCAT('entity=LEAF pk=LEAF#', id, ' sk=LEAF', IF(middle_id IS NULL, '', CONCAT(' gsi1pk=MIDDLE#', middle_id, ' gsi1sk=LEAF#', id)), ' id=', id, IF(middle_id IS NULL, '', CONCAT(' middle_id=', middle_id))) FROM leaf",
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("DELETE FROM root WHERE id = 1", false)]
    [InlineData("DELETE FROM root WHERE id = 1", true)]
    [InlineData("DELETE FROM root", true)]
    [InlineData("UPDATE root SET id = id + 10 ORDER BY id DESC; DELETE FROM middle WHERE id = 3", true)]
    [InlineData("UPDATE middle SET note = REPEAT('z', 450000) WHERE id = 2; DELETE FROM root WHERE id = 1", true)]
    public async Task A_cascade_through_a_row_that_was_set_aside_arrives(string change, bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb, Schema, Definition);
        await using (var session = await shop.Migration.ConnectAsync())
        {
            await new SnapshotExporter(session, new SnapshotOptions { SetAside = true }).RunAsync(new Progress<SnapshotProgress>(), Cancel);
        }

        await shop.SyncAsync(new SyncOptions { SetAside = true });
        await ChangeAsync(shop, change);

        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync(new SyncOptions { SetAside = true })).State);
        await shop.AssertEqualAsync(Expected);
    }

    /// <summary>After a cascade while the snapshot was read, rows without a parent that the source has stay in the table.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_without_a_parent_in_the_source_stay(bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb, Schema + "; DELETE FROM middle WHERE LENGTH(note) > 1000", Definition);
        await using (var session = await shop.Migration.ConnectAsync())
        {
            await new SnapshotExporter(session, new SnapshotOptions { Entities = ["LEAF"] }).RunAsync(new Progress<SnapshotProgress>(), Cancel);
            await ChangeAsync(shop, "DELETE FROM root WHERE id = 3");
        }

        await shop.ExportAsync();
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await shop.AssertEqualAsync(Expected);
        Assert.Contains(await shop.ItemsAsync(), i => i["pk"].S == "LEAF#7");
    }

    private static async Task ChangeAsync(LookupShop shop, string change)
    {
        await using var connection = await shop.Database.OpenAsync();
        await connection.ResetConnectionAsync(Cancel);
        await using var command = new MySqlCommand(change, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
