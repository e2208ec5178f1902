using BillingMigration.Control;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Sync;

/// <summary>The binlog has a statement in the character set of the client that sent it.</summary>
public sealed class ClientTextTests(TestServers servers)
{
    private const string Definition = """
        {
          "name": "client-text",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "entities": [{ "entity": "CHARGE", "table": "NAME", "pk": "CHARGE#{id}", "sk": "CHARGE" }]
        }
        """;

    [Theory]
    [InlineData("latin1", "gebühr", false)]
    [InlineData("latin1", "gebühr", true)]
    [InlineData("cp1251", "счёт", false)]
    [InlineData("cp1251", "счёт", true)]
    // The second byte of these is a backslash, a backtick or a quote's neighbour.
    [InlineData("sjis", "表能", false)]
    [InlineData("sjis", "表能", true)]
    [InlineData("gbk", "乗", false)]
    [InlineData("big5", "功", true)]
    public async Task A_change_of_a_table_is_seen_whatever_the_clients_character_set(string charset, string table, bool mariaDb)
    {
        await using var shop = await LookupShop.CreateAsync(
            servers, mariaDb, $"CREATE TABLE `{table}` (id INT NOT NULL PRIMARY KEY) CHARACTER SET utf8mb4; INSERT INTO `{table}` VALUES (1)", Definition.Replace("NAME", table, StringComparison.Ordinal));
        await shop.ExportAsync();
        await shop.SyncAsync();

        await ExecuteAsync(shop, charset, "CREATE TABLE harmless (a INT) COMMENT 'not 能'");
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await ExecuteAsync(shop, charset, $"ALTER TABLE `{table}` MODIFY id INT NOT NULL");
        var error = await Assert.ThrowsAsync<MigrationException>(() => shop.SyncAsync());
        Assert.Equal("SchemaChanged", error.ErrorId);
        Assert.Contains(table, error.Message, StringComparison.Ordinal);
    }

    /// <summary>The driver sends UTF-8: the server makes the client's text of it.</summary>
    private static async Task ExecuteAsync(LookupShop shop, string charset, string statement)
    {
        var utf8 = Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(statement));
        await shop.Database.ExecuteAsync($"SET NAMES {charset}; SET @statement = CONVERT(_utf8mb4 X'{utf8}' USING {charset}); PREPARE it FROM @statement; EXECUTE it");
    }
}
