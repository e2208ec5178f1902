using BillingMigration.Transfer;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Tests.Transfer;

/// <summary>The window follows the link: answers that come quickly, late, or never.</summary>
public sealed class TransferWindowTests
{
    private static readonly TimeSpan Attempt = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider time = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Quick_answers_open_it_to_the_most()
    {
        var window = new TransferWindow(16, Attempt, time);
        await AnswerAsync(window, 20, TimeSpan.FromMilliseconds(20));
        Assert.Equal(16, window.Limit);
    }

    [Fact]
    public async Task Silence_and_late_answers_close_it_to_one_and_quick_ones_open_it_again()
    {
        var window = new TransferWindow(16, Attempt, time);
        await AnswerAsync(window, 20, TimeSpan.FromMilliseconds(20));
        await AnswerAsync(window, 12, TimeSpan.FromSeconds(8));
        Assert.Equal(1, window.Limit);
        await AnswerAsync(window, 200, TimeSpan.FromMilliseconds(20));
        Assert.Equal(16, window.Limit);
        for (var i = 0; i < 6; i++)
        {
            await OneAsync(window, TimeSpan.FromSeconds(10), TransferWindow.End.TimedOut);
        }

        Assert.Equal(1, window.Limit);
    }

    /// <summary>A way that breaks every few seconds: what is under way for longer is never through.</summary>
    [Fact]
    public async Task What_breaks_when_it_was_late_already_closes_it_and_what_breaks_early_does_not()
    {
        var window = new TransferWindow(16, Attempt, time);
        await AnswerAsync(window, 20, TimeSpan.FromMilliseconds(20));
        await OneAsync(window, TimeSpan.FromSeconds(1), TransferWindow.End.Broken);
        Assert.Equal(16, window.Limit);
        for (var i = 0; i < 12; i++)
        {
            await OneAsync(window, TimeSpan.FromSeconds(3), TransferWindow.End.Broken);
        }

        Assert.Equal(1, window.Limit);
    }

    [Fact]
    public async Task Requests_that_are_late_together_close_it_once()
    {
        var window = new TransferWindow(16, Attempt, time);
        await AnswerAsync(window, 20, TimeSpan.FromMilliseconds(20));
        var passes = new List<TransferWindow.Pass>();
        for (var i = 0; i < 16; i++)
        {
            passes.Add(await window.EnterAsync(1000, Cancel));
        }

        time.Advance(TimeSpan.FromSeconds(11));
        passes.ForEach(pass => window.Leave(pass, TransferWindow.End.TimedOut));
        Assert.Equal(8, window.Limit);
    }

    [Fact]
    public async Task An_attempt_has_time_for_all_that_is_under_way_at_the_speed_of_the_link()
    {
        var window = new TransferWindow(16, Attempt, time);

        // 50 KB/s.
        await AnswerAsync(window, 50, TimeSpan.FromSeconds(1), bytes: 50_000);
        var first = await window.EnterAsync(200_000, Cancel);
        var second = await window.EnterAsync(200_000, Cancel);
        Assert.InRange(first.Time.TotalSeconds, 10 + 4, 10 + 10);
        Assert.InRange(second.Time.TotalSeconds, 10 + 8, 10 + 20);
        Assert.InRange(window.MostBytes, 50_000, 200_000);
    }

    [Fact]
    public async Task A_link_that_turns_out_slower_than_thought_gets_more_time_up_to_a_limit()
    {
        var window = new TransferWindow(16, Attempt, time);
        var before = await OneAsync(window, Attempt, TransferWindow.End.TimedOut, 400_000);
        var after = await OneAsync(window, Attempt, TransferWindow.End.TimedOut, 400_000);
        Assert.True(after > before, $"{before} then {after}");
        for (var i = 0; i < 20; i++)
        {
            after = await OneAsync(window, Attempt, TransferWindow.End.TimedOut, 16_000_000);
        }

        Assert.Equal(TimeSpan.FromMinutes(1), after);
    }

    [Fact]
    public async Task Who_waits_is_let_in_in_order_and_who_gives_up_leaves_his_turn_to_the_next()
    {
        var window = new TransferWindow(1, Attempt, time);
        var inside = await window.EnterAsync(1, Cancel);
        using var stop = new CancellationTokenSource();
        var impatient = window.EnterAsync(1, stop.Token).AsTask();
        var patient = window.EnterAsync(1, Cancel).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        Assert.False(patient.IsCompleted);
        window.Leave(inside, TransferWindow.End.Broken);
        await patient;
    }

    private async Task AnswerAsync(TransferWindow window, int times, TimeSpan after, int bytes = 15_000)
    {
        for (var i = 0; i < times; i++)
        {
            await OneAsync(window, after, TransferWindow.End.Answered, bytes);
        }
    }

    private async Task<TimeSpan> OneAsync(TransferWindow window, TimeSpan after, TransferWindow.End end, int bytes = 15_000)
    {
        var pass = await window.EnterAsync(bytes, Cancel);
        time.Advance(after);
        window.Leave(pass, end);
        return pass.Time;
    }
}
