using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Sync;

/// <summary>The short form of <c>torture switch</c>.</summary>
public sealed class SwitchTrialTests
{
    /// <summary>To the table and back: what is left is looked for on the source.</summary>
    private const int Rounds = 2;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Switches_with_kills_freezes_and_cuts_lose_nothing_and_no_call_fails(bool mariaDb)
    {
        await using var dynamoDb = await DynamoDbLocalServer.StartAsync(own: true);
        await using SqlServerProcess server = mariaDb ? await MariaDbServer.StartAsync("--max-connections=400") : await MySqlServer.StartAsync("--max-connections=400");
        var log = new StringWriter();
        var result = await SwitchTorture.RunAsync(server, dynamoDb.Endpoint, new SwitchTortureOptions { Rounds = Rounds, Seed = 11, Processes = 2, Pause = TimeSpan.FromMilliseconds(100) }, log, TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine(log.ToString());
        Assert.Empty(result.Failed);
        Assert.Empty(result.Lost);
        Assert.Empty(result.Differences);
        Assert.Equal(Rounds, result.Switches);
        Assert.True(result.Writes > 0);
    }
}
