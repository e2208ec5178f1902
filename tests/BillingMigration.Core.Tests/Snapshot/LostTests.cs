using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Transfer;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Trouble in the middle of an export that does not pass by itself: it ends with a name, and the same command goes on.</summary>
public sealed class LostTests(TestServers servers)
{
    private const long Rows = 1_000;

    // A network that stays away is given up at once, and what is missed of it is noticed soon.
    private static readonly RetryPolicy Impatient = new()
    {
        GiveUpAfter = TimeSpan.FromMilliseconds(500), BaseDelay = TimeSpan.FromMilliseconds(10), MaxDelay = TimeSpan.FromMilliseconds(50),
    };

    private static readonly SnapshotOptions Slow = new() { ItemsPerSecond = 200 };

    [Fact]
    public async Task A_table_that_cannot_be_reached_any_more() =>
        await EndsAsync("NetworkLost", MigrationErrorKind.Unreachable, (_, table) => table.RefuseConnections = Reset(table));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_source_that_cannot_be_reached_any_more(bool mariaDb) =>
        await EndsAsync("SourceLost", MigrationErrorKind.Unreachable, (source, _) => source.RefuseConnections = Reset(source), mariaDb);

    [Fact]
    public async Task Credentials_that_expire_on_the_way() =>
        await EndsAsync("CredentialsExpired", MigrationErrorKind.AuthenticationFailed, (_, table) => table.While(HttpFault.ExpiredCredentials));

    [Fact]
    public async Task A_right_that_is_taken_away_on_the_way() =>
        await EndsAsync("AccessDenied", MigrationErrorKind.PermissionDenied, (_, table) => table.While(HttpFault.AccessDenied));

    private static bool Reset(FaultSwitches way)
    {
        way.ResetConnections();
        return true;
    }

    private async Task EndsAsync(string id, MigrationErrorKind kind, Action<FaultSwitches, FaultSwitches> trouble, bool mariaDb = false)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        await using var ways = Ways.Open(scenario);
        var begun = 0;

        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync(
            Slow,
            progress =>
            {
                if (progress.Items > 0 && Interlocked.Exchange(ref begun, 1) == 0)
                {
                    trouble(ways.Source.Faults, ways.Table.Faults);
                }
            },
            ways.Definition,
            Impatient));

        Assert.Equal((id, kind), (error.ErrorId, error.Kind));
        Assert.Contains("run the same command again", error.Message, StringComparison.Ordinal);

        // The lease could not be given back, and its holder is this very process, which is alive: it is watched for as long as the lease lasts.
        var ended = await scenario.ExportAsync(time: new FastTime(10));
        Assert.Equal((SnapshotOutcome.Complete, SnapshotState.Complete), (ended.Outcome, ended.RunState));
        await scenario.AssertWholeAsync();
    }
}
