using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Exports over bad ways and into a table in trouble: nothing is lost and nothing is there twice.</summary>
public sealed class FaultTests(TestServers servers)
{
    private const long Rows = 1_000;
    private const string Writes = "BatchWriteItem";

    /// <summary>Quick to try again, so that the tests are quick.</summary>
    private static readonly RetryPolicy Quick = new() { BaseDelay = TimeSpan.FromMilliseconds(10), MaxDelay = TimeSpan.FromMilliseconds(200) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Throttling_partial_batches_500s_and_resets_lose_nothing(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        await using var ways = Ways.Open(scenario);
        HttpFaultRule[] throttled = [ways.Table.Faults.Next(2, HttpFault.Throttle, Writes), ways.Table.Faults.Sometimes(0.1, 1, HttpFault.Throttle, Writes)];
        HttpFaultRule[] partial = [ways.Table.Faults.Next(2, HttpFault.PartialBatch, Writes), ways.Table.Faults.Sometimes(0.15, 2, HttpFault.PartialBatch, Writes)];
        // At random, and a few for certain: how many requests there are depends on the machine.
        HttpFault[] faults = [HttpFault.InternalError, HttpFault.Unavailable, HttpFault.Reset, HttpFault.LoseAnswer];
        HttpFaultRule[] others = [.. faults.Select(f => ways.Table.Faults.Next(2, f, Writes))];
        for (var i = 0; i < faults.Length; i++)
        {
            ways.Table.Faults.Sometimes(0.05, 3 + i, faults[i]);
        }


        var result = await scenario.ExportAsync(through: ways.Definition, retry: Quick);

        Assert.Equal((SnapshotOutcome.Complete, Rows), (result.Outcome, result.Items));
        Assert.Equal(throttled.Sum(t => t.Hits) + partial.Sum(p => p.Hits), result.ThrottledRequests);
        Assert.All([throttled[0], partial[0], .. others], certain => Assert.Equal(2, certain.Hits));
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task After_a_spell_of_throttling_the_rest_goes_through_unthrottled()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var ways = Ways.Open(scenario);
        var spell = ways.Table.Faults.Next(20, HttpFault.Throttle, Writes);
        var slowed = false;

        var result = await scenario.ExportAsync(onProgress: p => slowed |= p.ThrottledRequests > 0, through: ways.Definition, retry: Quick);

        Assert.Equal((SnapshotOutcome.Complete, 20L, 20L), (result.Outcome, spell.Hits, result.ThrottledRequests));
        Assert.True(slowed);
        await scenario.AssertWholeAsync();
    }

    [Fact]
    public async Task Three_hundred_milliseconds_to_both_sides_and_back_are_no_harm()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, Rows);
        await using var ways = Ways.Open(scenario);
        ways.Table.Faults.Latency = ways.Source.Faults.Latency = TimeSpan.FromMilliseconds(150);

        var result = await scenario.ExportAsync(through: ways.Definition);

        Assert.Equal((SnapshotOutcome.Complete, Rows), (result.Outcome, result.Items));
        await scenario.AssertWholeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_source_connection_that_breaks_in_the_middle_of_every_page_is_gone_on_from_its_last_row(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, 4 * Rows);
        await using var ways = Ways.Open(scenario);

        var result = await scenario.ExportAsync(
            new SnapshotOptions { ItemsPerSecond = 800 },
            progress =>
            {
                if (progress.Items > 0 && ways.Source.Faults.ResetAfterBytes is null)
                {
                    // A page of 500 charges has more than 60 KB.
                    ways.Source.Faults.ResetAfterBytes = 20_000;
                    ways.Source.Faults.ResetConnections();
                }
            },
            ways.Definition,
            Quick);

        Assert.Equal((SnapshotOutcome.Complete, 4 * Rows), (result.Outcome, result.Items));
        Assert.True(ways.Source.Connections > 8);
        await scenario.AssertWholeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Source_connections_that_an_administrator_kills_are_opened_again(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, Rows);
        await using var administrator = new MySqlConnection(scenario.Database.Server.ConnectionString);
        await administrator.OpenAsync(Cancel);
        var kills = 0;

        var result = await scenario.ExportAsync(
            new SnapshotOptions { ItemsPerSecond = 200 },
            progress =>
            {
                if (progress.Items > 0 && kills < 20)
                {
                    kills += KillConnections(administrator, scenario.Database.Name);
                }
            });

        Assert.Equal((SnapshotOutcome.Complete, Rows), (result.Outcome, result.Items));
        Assert.NotEqual(0, kills);
        await scenario.AssertWholeAsync();
    }

    private static int KillConnections(MySqlConnection administrator, string database)
    {
        var ids = new List<ulong>();
        using (var list = new MySqlCommand("SELECT id FROM information_schema.PROCESSLIST WHERE db = @database", administrator))
        {
            list.Parameters.AddWithValue("@database", database);
            using var reader = list.ExecuteReader();
            while (reader.Read())
            {
                ids.Add(reader.GetUInt64(0));
            }
        }

        var killed = 0;
        foreach (var id in ids)
        {
            using var kill = new MySqlCommand(FormattableString.Invariant($"KILL {id}"), administrator);
            try
            {
                kill.ExecuteNonQuery();
                killed++;
            }
            catch (MySqlException e) when (e.ErrorCode == MySqlErrorCode.NoSuchThread)
            {
                // It ended by itself meanwhile.
            }
        }

        return killed;
    }
}
