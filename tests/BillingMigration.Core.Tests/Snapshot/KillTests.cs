using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Snapshot;

/// <summary>The short form of <c>./build.sh torture export</c>.</summary>
public sealed class KillTests(TestServers servers, ITestOutputHelper output)
{
    [Theory]
    [InlineData(false, 3)]
    [InlineData(true, 4)]
    public async Task An_export_that_is_killed_again_and_again_ends_in_the_same_table(bool mariaDb, int seed)
    {
        using var log = new StringWriter();
        var result = await ExportTorture.RunAsync(
            await servers.SourceAsync(mariaDb),
            (await servers.DynamoDbAsync()).Endpoint,
            new ExportTortureOptions { Kills = 6, Freezes = 0, Rows = 6_000, ItemsPerSecond = 1_000, Seed = seed },
            log,
            TestContext.Current.CancellationToken);

        output.WriteLine($"{log}{result}");
        Assert.Empty(result.Differences);
        Assert.Equal(6, result.Kills);
    }
}
