using BillingMigration.Control;
using BillingMigration.Sync;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Sync;

/// <summary>A MariaDB that encrypts its binlog: it sends the events in clear.</summary>
public sealed class EncryptedBinlogTests(TestServers servers) : IDisposable
{
    private readonly string keys = Path.GetTempFileName();

    public void Dispose() => File.Delete(keys);

    [Fact]
    public async Task Changes_of_an_encrypted_binlog_arrive_over_its_files()
    {
        await File.WriteAllTextAsync(keys, $"1;{new string('7', 64)}\n", TestContext.Current.CancellationToken);
        await using var server = await MariaDbServer.StartAsync("--plugin-load-add=file_key_management", $"--file-key-management-filename={keys}", "--encrypt-binlog=ON");
        await using var shop = await LookupShop.CreateAsync(servers, server, schema: null, definition: null);
        await shop.Database.ExecuteAsync("INSERT INTO line VALUES (8, 1, 80)");
        await shop.ExportAsync();
        await shop.Database.ExecuteAsync("INSERT INTO line VALUES (9, 1, 90); FLUSH BINARY LOGS; UPDATE line SET amount = 91 WHERE line_id = 9; DELETE FROM line WHERE line_id = 8");
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        var amounts = (await shop.ItemsAsync()).Where(i => i["entity"].S == "CHARGE").Select(i => i["amount"].N).Order(StringComparer.Ordinal);
        Assert.Equal(["10", "20", "30", "40", "50", "60", "70", "91"], amounts);
    }
}
