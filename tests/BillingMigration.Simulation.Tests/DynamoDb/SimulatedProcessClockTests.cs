
namespace BillingMigration.Simulation.Tests;

/// <summary>The clock of a simulated process, and its freezes.</summary>
public sealed class SimulatedProcessClockTests
{
    private readonly VirtualTime time = new();
    private readonly SimulatedProcess process;

    public SimulatedProcessClockTests() => process = new SimulatedProcess(time, "test");

    [Fact]
    public void An_offset_moves_the_wall_clock_only()
    {
        var (wall, timestamp) = (process.Clock.GetUtcNow(), process.Clock.GetTimestamp());
        process.Clock.WallOffset = TimeSpan.FromHours(-1);
        Assert.Equal(wall - TimeSpan.FromHours(1), process.Clock.GetUtcNow());
        Assert.Equal(timestamp, process.Clock.GetTimestamp());
    }

    [Fact]
    public void A_rate_counts_for_both_clocks_and_for_timers()
    {
        var (wall, timestamp) = (process.Clock.GetUtcNow(), process.Clock.GetTimestamp());
        process.Clock.Rate = 2;
        time.RunFor(TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.FromSeconds(20), process.Clock.GetUtcNow() - wall);
        Assert.Equal(TimeSpan.FromSeconds(20), process.Clock.GetElapsedTime(timestamp));
        Assert.Equal(TimeSpan.FromSeconds(5), FireAfter(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void A_clock_that_stands_still_delays_its_timers_and_its_wall_clock_goes_on()
    {
        var (wall, timestamp) = (process.Clock.GetUtcNow(), process.Clock.GetTimestamp());
        time.Schedule(TimeSpan.FromSeconds(4), () => process.Clock.StandStill(TimeSpan.FromSeconds(30)));
        Assert.Equal(TimeSpan.FromSeconds(40), FireAfter(TimeSpan.FromSeconds(10)));
        Assert.Equal(TimeSpan.FromSeconds(10), process.Clock.GetElapsedTime(timestamp));
        Assert.Equal(TimeSpan.FromSeconds(40), process.Clock.GetUtcNow() - wall);
    }

    [Fact]
    public void A_frozen_process_gets_its_timers_afterwards()
    {
        process.Freeze(TimeSpan.FromSeconds(30));
        Assert.Equal(TimeSpan.FromSeconds(30), FireAfter(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void A_frozen_process_gets_its_answers_afterwards()
    {
        var start = time.GetTimestamp();
        using var client = SimulatedClient.Of(new SimulatedDynamoDb(time, 1), process);
        process.Freeze(TimeSpan.FromSeconds(30));
        time.Run(() => client.DoAsync("CreateTable", RandomRequests.CreateTable));
        Assert.Equal(TimeSpan.FromSeconds(30), time.GetElapsedTime(start));
    }

    private TimeSpan FireAfter(TimeSpan due)
    {
        var start = time.GetTimestamp();
        var fired = new TaskCompletionSource();
        using var timer = process.Clock.CreateTimer(_ => fired.SetResult(), null, due, Timeout.InfiniteTimeSpan);
        time.Run(fired.Task);
        return time.GetElapsedTime(start);
    }
}
