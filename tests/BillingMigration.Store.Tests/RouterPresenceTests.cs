using System.Collections.Concurrent;
using BillingMigration.Control;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>What a store that writes says to whoever switches, and what it may do until it has.</summary>
public sealed class RouterPresenceTests
{
    private static readonly Route First = Route.First with { State = RouteState.DynamoDb, Backend = StoreBackend.DynamoDb, Epoch = 7 };

    private static readonly Route Drain = To(First, RouteState.Draining);

    private readonly FakeTimeProvider time = new(DateTimeOffset.UnixEpoch);
    private readonly BlockingCollection<RouterItem> said = [];
    private readonly ConcurrentQueue<long> readySaid = [];
    private TaskCompletionSource saved = Saved();
    private RouterItem? known;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Writes_go_by_a_route_that_was_asked_for_after_the_store_was_known()
    {
        await using var presence = Presence();
        var before = time.GetTimestamp();
        Assert.False(presence.Covers(First, before));
        time.Advance(TimeSpan.FromMilliseconds(1));

        await presence.MakeKnownAsync(First, Cancel);

        Assert.Equal(First.Epoch, Said().Epoch);
        Assert.False(presence.Covers(First, before));
        Assert.True(presence.Covers(First, time.GetTimestamp()));
        await presence.MakeKnownAsync(First, Cancel);
        Assert.Empty(said);
    }

    [Fact]
    public async Task Nobody_is_told_that_writes_wait_while_one_is_under_way()
    {
        await using var presence = Presence();
        await presence.MakeKnownAsync(First, Cancel);
        Said();
        var route = First;
        var first = presence.Begin(() => route.Accepts);
        var second = presence.Begin(() => route.Accepts);
        first.Pass();
        route = Drain;
        presence.Look(Drain);
        first.Answered();
        first.Dispose();
        Assert.Throws<NotRoutedException>(second.Pass);
        presence.Look(Drain);
        Assert.Empty(said);

        second.Dispose();
        Assert.Equal(Drain.Epoch, Said().Epoch);
    }

    [Fact]
    public async Task What_was_written_counts_unless_a_switch_went_on_without_this_store()
    {
        await using var presence = Presence();
        await presence.MakeKnownAsync(First, Cancel);
        Assert.True(await presence.WasWaitedForAsync(First.Epoch));
        presence.Look(Drain);
        Said();
        Assert.Equal(Drain.Epoch, Said().Epoch);
        Assert.True(await presence.WasWaitedForAsync(First.Epoch));

        known = null;
        Assert.False(await presence.WasWaitedForAsync(First.Epoch));
        var flipped = To(Drain, RouteState.MySql);
        await presence.MakeKnownAsync(To(flipped, RouteState.Shadow), Cancel);
        Assert.False(await presence.WasWaitedForAsync(First.Epoch));
    }

    [Fact]
    public async Task A_write_without_an_answer_may_still_land_and_is_waited_for()
    {
        await using var presence = Presence();
        await presence.MakeKnownAsync(First, Cancel);
        Said();
        using (var write = presence.Begin(() => true))
        {
            write.Pass();
        }

        presence.Look(Drain);
        time.Advance(RouteTimes.SettleTime - TimeSpan.FromMilliseconds(1));
        presence.Look(Drain);
        Assert.Empty(said);

        time.Advance(TimeSpan.FromMilliseconds(1));
        presence.Look(Drain);
        Assert.Equal(Drain.Epoch, Said().Epoch);
    }

    [Fact]
    public async Task Whoever_was_silent_during_a_drain_makes_itself_known_before_it_writes_again()
    {
        await using var presence = Presence();
        await presence.MakeKnownAsync(First, Cancel);
        Said();
        time.Advance(TimeSpan.FromSeconds(10));
        var undone = To(Drain, RouteState.DynamoDb);
        presence.Look(undone);
        Assert.False(presence.Covers(undone, time.GetTimestamp()));

        await presence.MakeKnownAsync(undone, Cancel);
        Assert.Equal(undone.Epoch, Said().Epoch);
        Assert.True(presence.Covers(undone, time.GetTimestamp()));
    }

    [Fact]
    public async Task Whoever_said_that_its_writes_wait_goes_on_with_the_next_route()
    {
        await using var presence = Presence();
        await presence.MakeKnownAsync(First, Cancel);
        var known = Said();
        var before = time.GetTimestamp();
        time.Advance(TimeSpan.FromMilliseconds(1));
        presence.Look(Drain);
        var waits = Said();
        Assert.Equal(known.Id, waits.Id);
        Assert.Equal(Drain.Epoch, waits.Epoch);

        var flipped = To(Drain, RouteState.MySql);
        while (!presence.Covers(flipped, time.GetTimestamp()))
        {
            await Task.Yield();
        }

        // Nor by what was asked for before its word stood there.
        Assert.False(presence.Covers(flipped, before));
        var shadow = To(flipped, RouteState.Shadow);
        presence.Look(flipped);
        Assert.True(presence.Covers(shadow, time.GetTimestamp()));
        Assert.False(presence.Covers(To(To(shadow, RouteState.Draining), RouteState.MySql), time.GetTimestamp()));
    }

    [Fact]
    public async Task Whoever_opened_the_other_side_while_it_made_itself_known_says_so()
    {
        await using var presence = Presence();
        saved = new TaskCompletionSource();
        var shadow = To(Route.First, RouteState.Shadow);
        var making = presence.MakeKnownAsync(shadow, Cancel);
        Assert.Equal(0, Said().Ready);

        var ready = presence.SayReadyAsync(shadow, Cancel);
        saved.SetResult();
        await making;
        await ready;
        Assert.Equal(shadow.Epoch, Assert.Single(readySaid));
    }

    [Fact]
    public async Task An_answer_that_was_given_before_the_drain_is_no_news_after_it()
    {
        var questions = new BlockingCollection<TaskCompletionSource<Route>>();
        Task<Route> AskAsync(CancellationToken cancellationToken)
        {
            var question = new TaskCompletionSource<Route>();
            questions.Add(question, cancellationToken);
            return question.Task.WaitAsync(cancellationToken);
        }

        var before = Route.First with { Lease = TimeSpan.FromMinutes(1) };
        await using var watch = await RouteWatch.OpenAsync(_ => Task.FromResult(before), AskAsync, Presence(), "control", new RoutingOptions(), time, Cancel);
        var (first, second) = (await NextAsync(), await NextAsync());
        first.SetResult(To(before, RouteState.Draining));
        await SeenAsync(RouteState.Draining);

        // Asked for later, answered earlier: its lease would begin later.
        second.SetResult(before);
        var third = await NextAsync();
        Assert.Equal(RouteState.Draining, watch.Last.State);
        third.SetResult(To(To(before, RouteState.Draining), RouteState.DynamoDb));
        await SeenAsync(RouteState.DynamoDb);

        async Task<TaskCompletionSource<Route>> NextAsync()
        {
            TaskCompletionSource<Route>? question;
            while (!questions.TryTake(out question))
            {
                time.Advance(TimeSpan.FromSeconds(1));
                await Task.Yield();
            }

            return question;
        }

        async Task SeenAsync(RouteState state)
        {
            while (watch.Last.State != state)
            {
                await Task.Yield();
            }
        }
    }

    private static Route To(Route route, RouteState state) => route.To(state, "tester", "a test", DateTimeOffset.UnixEpoch);

    private RouterPresence Presence() => new(
        (item, _) =>
        {
            said.Add(item, Cancel);
            known = item;
            return saved.Task;
        },
        (_, epoch, _) =>
        {
            readySaid.Enqueue(epoch);
            return Task.CompletedTask;
        },
        (_, _) => Task.CompletedTask,
        (_, _) => Task.FromResult(known),
        time);

    private static TaskCompletionSource Saved()
    {
        var saved = new TaskCompletionSource();
        saved.SetResult();
        return saved;
    }

    private RouterItem Said() => said.Take(Cancel);
}
