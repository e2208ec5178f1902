using System.Text.RegularExpressions;
using BillingApp;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>The example application says the same, whatever it stands on.</summary>
public sealed partial class ApplicationTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_clerk_notices_nothing_of_the_backend()
    {
        var said = new Dictionary<Backend, string>();
        foreach (var backend in Enum.GetValues<Backend>())
        {
            await using var shop = await WritableShop.CreateAsync(stores, backend == Backend.MariaDb);
            await using var store = await shop.OpenAsync(backend);
            var account = (string)(await store.GetAsync(BillingEntity.Account, "account_id", 2, Cancel))!["account_number"]!;
            said[backend] = await SayAsync(
                store,
                ["account", account], ["charge", account, "12.50", "a visit"], ["account", account], ["bill", account], ["bill", account], ["pay", $"{account}-2603151200", "3"],
                ["account", account], ["pay", $"{account}-2603151200", "10000"], ["overdue"], ["revenue", "2025-01-01", "2027-01-01"]);
            await Assert.ThrowsAsync<ClerkException>(() => SayAsync(store, ["account", "nobody"]));
            await Assert.ThrowsAsync<ClerkException>(() => SayAsync(store, ["charge", account, "-1", "nothing"]));
        }

        Assert.Contains("is issued", said[Backend.MySql], StringComparison.Ordinal);
        Assert.Contains("there is nothing to bill", said[Backend.MySql], StringComparison.Ordinal);
        Assert.Contains(", PAID", said[Backend.MySql], StringComparison.Ordinal);
        Assert.Equal(said[Backend.MySql], said[Backend.MariaDb]);
        Assert.Equal(said[Backend.MySql], said[Backend.DynamoDb]);
    }

    [Fact]
    public void The_command_line_is_read_or_refused()
    {
        Assert.Equal("both", ClerkOptions.Parse(["--backend", "both", "overdue"])!.Backend);
        Assert.Equal("other.json", ClerkOptions.Parse(["--definition", "other.json", "bill", "A1"])!.Definition);
        Assert.Equal("routed", ClerkOptions.Parse(["--backend", "routed", "busy", "5"])!.Backend);
        Assert.Null(ClerkOptions.Parse(["--backend", "oracle", "overdue"]));
        Assert.Null(ClerkOptions.Parse(["overdue", "now"]));
        Assert.Null(ClerkOptions.Parse([]));
    }

    private static async Task<string> SayAsync(IBillingStore store, params string[][] commands)
    {
        await using var output = new StringWriter();
        var clerk = new Clerk(store, output, new FakeTimeProvider(new DateTimeOffset(2026, 3, 15, 12, 0, 0, TimeSpan.Zero)));
        foreach (var command in commands)
        {
            await clerk.RunAsync(command, Cancel);
        }

        return ChargeId().Replace(output.ToString(), "charge N");
    }

    [GeneratedRegex(@"charge \d+")]
    private static partial Regex ChargeId();
}
