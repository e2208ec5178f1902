using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Target;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Target;
using BillingMigration.Tests.Transfer;
using BillingMigration.Transfer;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BillingMigration.Tests.Control;

public sealed class LeaseTests(DynamoDbLocalFixture server) : IAsyncLifetime
{
    private static readonly LeaseOptions Quick = new()
    {
        Duration = TimeSpan.FromSeconds(10), RenewEvery = TimeSpan.FromMilliseconds(50), Margin = TimeSpan.FromSeconds(1), WatchEvery = TimeSpan.FromMilliseconds(20),
    };

    private static readonly LeaseHolder Elsewhere = new("otherhost", "another-boot", "pid:[1]", 4711, "99", "svc-billing");

    private TargetConnection target = null!;
    private string table = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        target = await server.ConnectAsync();
        table = await DynamoDbLocalFixture.CreateTableAsync(target.Client);
    }

    public ValueTask DisposeAsync() => target.DisposeAsync();

    [Fact]
    public async Task The_epoch_grows_with_each_holder_and_a_lease_given_back_is_free_at_once()
    {
        var frozen = new FakeTimeProvider();
        var control = Control(frozen, new LeaseOptions());
        for (var epoch = 1; epoch <= 3; epoch++)
        {
            await using var lease = await control.AcquireLeaseAsync("export", Token);
            Assert.Equal(epoch, lease.Epoch);
            Assert.False(lease.Lost.IsCancellationRequested);
        }
    }

    [Fact]
    public async Task A_holder_that_renews_keeps_it_and_is_named()
    {
        var control = Control(TimeProvider.System, Quick);
        await using var lease = await control.AcquireLeaseAsync("export", Elsewhere, Token);
        var error = await Assert.ThrowsAsync<MigrationException>(() => control.AcquireLeaseAsync("export", Token));
        Assert.Equal(("LeaseHeld", MigrationErrorKind.Busy), (error.ErrorId, error.Kind));
        Assert.Contains("process 4711 of svc-billing on otherhost", error.Message);
        await using var another = await control.AcquireLeaseAsync("sync", Token);
        Assert.Equal(1, another.Epoch);
    }

    [Fact]
    public async Task A_holder_that_stands_still_for_the_whole_duration_is_followed_whatever_its_clock_says()
    {
        var frozen = new FakeTimeProvider(new DateTimeOffset(1999, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var stale = await Control(frozen, new LeaseOptions()).AcquireLeaseAsync("export", Elsewhere, Token);
        var time = new FakeTimeProvider();
        var started = time.GetTimestamp();
        await using var lease = await Control(time, new LeaseOptions()).AcquireLeaseAsync("export", Token).WhilePassingAsync(time, target.Client);
        Assert.Equal(2, lease.Epoch);
        Assert.True(time.GetElapsedTime(started) >= TimeSpan.FromSeconds(15));

        // The old holder finds out at its next renewal.
        var told = new TaskCompletionSource();
        await using var registration = stale.Lost.Register(told.SetResult);
        frozen.Advance(TimeSpan.FromSeconds(3));
        await told.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        Assert.Equal("another worker has taken it", stale.LostReason);
        await stale.DisposeAsync();
        Assert.False(lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_dead_process_of_this_machine_is_followed_at_once()
    {
        var self = LeaseHolder.Current;
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells for certain that a process has ended.");
        var frozen = new FakeTimeProvider();
        var dead = self with { ProcessStart = "1" };
        var control = Control(frozen, new LeaseOptions());
        await control.AcquireLeaseAsync("export", dead, Token);
        await using var lease = await control.AcquireLeaseAsync("export", Token);
        Assert.Equal(2, lease.Epoch);
    }

    [Fact]
    public void Only_a_process_of_this_very_kernel_and_namespace_can_be_known_to_be_dead()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells for certain that a process has ended.");
        var self = LeaseHolder.Current;
        Assert.False(self.IsKnownDead(self));
        Assert.True((self with { ProcessStart = "1" }).IsKnownDead(self));
        Assert.True((self with { ProcessId = int.MaxValue }).IsKnownDead(self));
        Assert.False((self with { ProcessStart = "1", BootId = "another" }).IsKnownDead(self));
        Assert.False((self with { ProcessStart = "1", PidNamespace = "pid:[1]" }).IsKnownDead(self));
        Assert.False((self with { ProcessStart = "1", BootId = null }).IsKnownDead(self with { BootId = null }));
    }

    [Fact]
    public async Task A_holder_that_cannot_renew_writes_nothing_before_another_may_begin_and_goes_on_when_none_has()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var throughProxy = await server.ConnectAsync(proxy.Url);
        var time = new FakeTimeProvider();
        var options = new LeaseOptions();
        await using var lease = await Control(time, options, throughProxy).AcquireLeaseAsync("export", Token);
        var held = await lease.WaitHeldAsync(Token);
        proxy.Faults.BlackHole = true;
        time.Advance(options.Duration - options.Margin - TimeSpan.FromSeconds(0.1));
        Assert.False(held.IsCancellationRequested);
        time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.True(held.IsCancellationRequested);
        Assert.True(lease.IsPaused);
        var waiting = lease.WaitHeldAsync(Token).AsTask();
        time.Advance(TimeSpan.FromMinutes(20));
        Assert.False(waiting.IsCompleted);
        Assert.False(lease.Lost.IsCancellationRequested);

        proxy.Faults.BlackHole = false;
        proxy.Faults.ResetConnections();
        Assert.False((await waiting.WhilePassingAsync(time, target.Client)).IsCancellationRequested);
        Assert.False(lease.IsPaused || lease.Lost.IsCancellationRequested, lease.LostReason);
    }

    [Fact]
    public async Task A_holder_whose_lease_was_taken_during_an_outage_is_told_when_it_comes_back()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var throughProxy = await server.ConnectAsync(proxy.Url);
        var options = Quick;
        await using var lease = await Control(TimeProvider.System, options, throughProxy).AcquireLeaseAsync("export", Elsewhere, Token);
        proxy.Faults.BlackHole = true;
        await using var successor = await Control(TimeProvider.System, options).AcquireLeaseAsync("export", Token);
        Assert.True(lease.IsPaused);
        var waiting = lease.WaitHeldAsync(Token).AsTask();
        Assert.False(waiting.IsCompleted);
        proxy.Faults.BlackHole = false;
        proxy.Faults.ResetConnections();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal("another worker has taken it", lease.LostReason);
    }

    [Fact]
    public async Task An_outage_that_lasts_longer_than_is_waited_for_ends_the_lease()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var throughProxy = await server.ConnectAsync(proxy.Url);
        await using var lease = await Control(TimeProvider.System, Quick with { GiveUpAfter = TimeSpan.FromMilliseconds(200) }, throughProxy).AcquireLeaseAsync("export", Token);
        proxy.Faults.RefuseConnections = true;
        proxy.Faults.ResetConnections();
        var ended = new TaskCompletionSource();
        await using var registration = lease.Lost.Register(ended.SetResult);
        await ended.Task.WaitAsync(Token);
        Assert.Equal("it could not be renewed in time", lease.LostReason);
    }

    [Fact]
    public async Task Trouble_that_passes_does_not_cost_the_lease()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var throughProxy = await server.ConnectAsync(proxy.Url);
        var options = Quick with { Duration = TimeSpan.FromSeconds(20) };
        await using var lease = await Control(TimeProvider.System, options, throughProxy).AcquireLeaseAsync("export", Token);
        var seen = new HashSet<string>();
        using (var faults = proxy.Faults.Sometimes(0.3, 1, HttpFault.LoseAnswer, "UpdateItem"))
        {
            while (faults.Hits < 3)
            {
                seen.Add(await VersionAsync());
                Assert.False(lease.Lost.IsCancellationRequested, lease.LostReason);
            }
        }

        var last = await VersionAsync();
        while (await VersionAsync() == last)
        {
            Assert.False(lease.Lost.IsCancellationRequested);
        }

        Assert.False(lease.Lost.IsCancellationRequested);
        Assert.True(seen.Count > 1);

        async Task<string> VersionAsync() =>
            (await target.Client.GetItemAsync(table, new() { ["pk"] = new("MIGRATION#test"), ["sk"] = new("LEASE#export") }, Token)).Item["version"].S;
    }

    [Fact]
    public async Task Of_many_contenders_one_gets_it()
    {
        var tries = Enumerable.Range(0, 8).Select(i => Control(TimeProvider.System, Quick).AcquireLeaseAsync("export", Elsewhere with { BootId = $"boot {i}" }, Token)).ToList();
        var leases = new List<Lease>();
        foreach (var one in tries)
        {
            try
            {
                leases.Add(await one);
            }
            catch (MigrationException e) when (e.ErrorId == "LeaseHeld")
            {
            }
        }

        Assert.Single(leases);
        await leases[0].DisposeAsync();
    }

    [Fact]
    public async Task A_lost_answer_to_the_acquisition_itself_is_recovered()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var throughProxy = await server.ConnectAsync(proxy.Url);
        proxy.Faults.Next(1, HttpFault.LoseAnswer, "PutItem");
        await using var lease = await Control(TimeProvider.System, new LeaseOptions(), throughProxy).AcquireLeaseAsync("export", Elsewhere, Token);
        Assert.Equal(2, lease.Epoch);
    }

    [Fact]
    public async Task A_damaged_or_newer_item_is_named()
    {
        var control = Control(TimeProvider.System, Quick);
        await (await control.AcquireLeaseAsync("export", Token)).DisposeAsync();
        await target.Client.UpdateItemAsync(
            new UpdateItemRequest
            {
                TableName = table,
                Key = new() { ["pk"] = new("MIGRATION#test"), ["sk"] = new("LEASE#export") },
                UpdateExpression = "SET #f = :f",
                ExpressionAttributeNames = new() { ["#f"] = "format" },
                ExpressionAttributeValues = new() { [":f"] = new() { N = "2" } },
            },
            Token);
        var error = await Assert.ThrowsAsync<MigrationException>(() => control.AcquireLeaseAsync("export", Token));
        Assert.Equal(("ControlItemUnreadable", "LEASE#export"), (error.ErrorId, error.Target));
    }

    [Fact]
    public async Task A_missing_control_table_says_what_to_run()
    {
        var error = await Assert.ThrowsAsync<MigrationException>(
            () => new ControlTable(target.Client, "no-such-table", "test", TimeProvider.System).AcquireLeaseAsync("export", Token));
        Assert.Equal("ControlTableNotFound", error.ErrorId);
        Assert.Contains("Initialize-BillingTable", error.Message);
    }

    /// <summary>A machine that was suspended: its monotonic clock stood still, and no timer has fired yet.</summary>
    [Fact]
    public async Task Who_comes_back_after_the_lease_s_time_may_not_write_before_any_timer_says_so()
    {
        var time = new SuspendedTime();
        await using var lease = await Control(time, new LeaseOptions()).AcquireLeaseAsync("export", Token);
        var held = await lease.WaitHeldAsync(Token);
        time.Suspended = TimeSpan.FromMinutes(2);

        var waiting = lease.WaitHeldAsync(Token).AsTask();
        Assert.True(held.IsCancellationRequested);
        // The renewal that comes next asks the table: nobody has taken it.
        Assert.False((await waiting).IsCancellationRequested);
    }

    private sealed class SuspendedTime : TimeProvider
    {
        public TimeSpan Suspended { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Suspended;
    }

    private ControlTable Control(TimeProvider time, LeaseOptions options, TargetConnection? through = null) =>
        new((through ?? target).Client, table, "test", time, new RetryPolicy { BaseDelay = TimeSpan.FromMilliseconds(5) }, options);
}
