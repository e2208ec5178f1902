using BillingMigration.Definition;
using BillingMigration.Transfer;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BillingMigration.Tests.Transfer;

public sealed class TransferThrottleTests
{
    private readonly FakeTimeProvider time = new();
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public void Without_limits_nothing_waits()
    {
        var throttle = new TransferThrottle(new ThrottleDefinition(), time);
        for (var i = 0; i < 100_000; i++)
        {
            Assert.True(throttle.AcquireAsync(25, 20_000, 25, None).AsTask().IsCompletedSuccessfully);
        }

        Assert.Null(throttle.State.ToString());
    }

    [Fact]
    public async Task A_limit_of_items_holds_over_time() => await HoldsAsync(
        new ThrottleDefinition { ItemsPerSecond = 1000 }, t => t.AcquireAsync(25, 20_000, 0, None), perRequest: 25, rate: 1000);

    [Fact]
    public async Task A_limit_of_bytes_holds_over_time() => await HoldsAsync(
        new ThrottleDefinition { BytesPerSecond = 100_000 }, t => t.AcquireAsync(25, 20_000, 0, None), perRequest: 20_000, rate: 100_000);

    [Fact]
    public async Task A_limit_of_rows_holds_over_time() => await HoldsAsync(
        new ThrottleDefinition { RowsPerSecond = 5000 }, t => t.AcquireRowsAsync(1000, None), perRequest: 1000, rate: 5000);

    [Fact]
    public async Task Write_units_are_charged_as_the_table_reports_them_not_as_they_were_estimated() => await HoldsAsync(
        new ThrottleDefinition { WriteUnitsPerSecond = 1000 },
        async t =>
        {
            var estimate = t.EstimateUnits(25, 20_000);
            await t.AcquireAsync(25, 20_000, estimate, None);
            t.Settle(25, 25, estimate, 125);
        },
        perRequest: 125,
        rate: 1000);

    [Fact]
    public async Task What_the_table_left_unprocessed_does_not_count_against_the_limit_of_items() => await HoldsAsync(
        new ThrottleDefinition { ItemsPerSecond = 1000 },
        async t =>
        {
            await t.AcquireAsync(25, 20_000, 0, None);
            t.Settle(25, 10, 0, 0);
        },
        perRequest: 10,
        rate: 1000);

    [Fact]
    public async Task Throttling_by_the_table_slows_down_and_the_rate_recovers_by_itself()
    {
        var throttle = new TransferThrottle(new ThrottleDefinition(), time);
        for (var i = 0; i < 200; i++)
        {
            // 1,000 items per second for 5 seconds.
            await throttle.AcquireAsync(25, 20_000, 0, None);
            time.Advance(TimeSpan.FromMilliseconds(25));
            throttle.Settle(25, 25, 0, 0);
        }

        Assert.Null(throttle.State.AdaptiveItemsPerSecond);
        throttle.SlowDown();
        throttle.SlowDown();
        var once = throttle.State.AdaptiveItemsPerSecond;
        Assert.InRange(once!.Value, 600, 720);

        var limits = new List<double>();
        for (var second = 0; second < 40 && throttle.State.AdaptiveItemsPerSecond is { } limit; second++)
        {
            limits.Add(limit);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Null(throttle.State.AdaptiveItemsPerSecond);
        Assert.Equal(limits.Order(), limits);
        Assert.InRange(limits.Count, 5, 15);
        Assert.True(throttle.AcquireAsync(25, 20_000, 0, None).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Lasting_throttling_cuts_the_rate_again_and_again_but_never_to_nothing()
    {
        var throttle = new TransferThrottle(new ThrottleDefinition(), time);
        for (var i = 0; i < 60; i++)
        {
            throttle.SlowDown();
            time.Advance(TimeSpan.FromMilliseconds(501));
        }

        Assert.InRange(throttle.State.AdaptiveItemsPerSecond!.Value, 25, 60);
        Assert.InRange((await throttle.AcquireAsync(25, 1, 0, None).ElapsedUntilDoneAsync(time)).TotalSeconds, 0, 1.1);
        Assert.InRange((await throttle.AcquireAsync(25, 1, 0, None).ElapsedUntilDoneAsync(time)).TotalSeconds, 0, 1.1);
    }

    [Fact]
    public async Task A_wait_is_shown_and_a_cancellation_ends_it_at_once()
    {
        var throttle = new TransferThrottle(new ThrottleDefinition { BytesPerSecond = 1 }, time);
        await throttle.AcquireAsync(25, 1_000_000, 0, None);
        using var cancel = new CancellationTokenSource();
        var waiting = throttle.AcquireAsync(25, 1_000_000, 0, cancel.Token).AsTask();
        Assert.False(waiting.IsCompleted);
        Assert.Equal(new ThrottleState(null, TransferWait.ByteLimit, 1), throttle.State);
        Assert.Equal("limit of bytes per second", throttle.State.ToString());
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(0, throttle.State.Waiters);
    }

    private async Task HoldsAsync(ThrottleDefinition limits, Func<TransferThrottle, ValueTask> request, double perRequest, double rate)
    {
        var throttle = new TransferThrottle(limits, time);
        var elapsed = TimeSpan.Zero;
        const int Requests = 100;
        for (var i = 0; i < Requests; i++)
        {
            elapsed += await request(throttle).ElapsedUntilDoneAsync(time);
        }

        // The last request is paid for by the next one; a quarter of a second is saved up at the start.
        Assert.InRange(((Requests - 1) * perRequest - 0.25 * rate) / elapsed.TotalSeconds, rate * 0.95, rate * 1.02);
    }
}
