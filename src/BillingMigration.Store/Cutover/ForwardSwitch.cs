using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Reverse;
using BillingMigration.Source;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Sync;

namespace BillingMigration.Store.Cutover;

/// <summary>
/// From the source to the table. Until the flip the source has everything, and backing out means to let calls go on there; from the flip on the table has.
/// </summary>
internal sealed class ForwardSwitch(SwitchWork work, Fence fence, bool proves) : IAsyncDisposable
{
    private readonly TaskCompletionSource<SourcePosition> fenced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource stopFollowing = new();
    private readonly IndexWatch indexes = new(work.Session);
    private Task<SyncResult>? following;
    private BillingModel? model;
    private Lease? reverseLease;
    private ReverseRun? reverse;

    private MigrationSession Session => work.Session;

    private Proof Proof => field ??= new Proof(Session, looksBefore: 3, rowsBefore: 100, indexes);

    /// <summary>Everything that can be done while applications work.</summary>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        model = await ReverseFollower.BindAsync(Session, cancellationToken);
        reverseLease = await Session.Control.AcquireLeaseAsync(Jobs.Reverse, cancellationToken);
        await fence.TakeAsync(cancellationToken);
        await work.StepAsync("CatchUp", () => FollowAsync(cancellationToken));
        await work.StepAsync("Schema", () => StoreSchema.SaveAsync(Session, cancellationToken));
        if (proves)
        {
            await work.StepAsync("Compare", () => Proof.WarmAsync(cancellationToken));
        }
    }

    /// <summary>Takes the place in the table's stream from which changes are written back: as late as may be, because what the changes of the source put into the table until the flip is read there too.</summary>
    public async Task BeginWayBackAsync(CancellationToken cancellationToken) => reverse = await work.StepAsync(
        "BeginWayBack", () => ReverseRun.BeginAsync(Session, model!, reverseLease!, setAside: true, toCompare: false, cancellationToken));

    /// <summary>While calls wait: the source stands still, the table reaches it, and is proven to be equal.</summary>
    public async Task DrainAsync(Route draining, CancellationToken cancellationToken)
    {
        // First those that can wait: a fence that is put up among busy transactions may get into a deadlock with them, and they would fail instead of waiting.
        await work.WaitAsync(draining, fence.Kind == SourceFence.None ? RouteTimes.UntilNothingLands(draining) : RouteTimes.UntilNobodyBegins(draining), cancellationToken);
        var held = (await Session.Control.ListHeldLeasesAsync(cancellationToken)).Where(h => h.Job.StartsWith("EXPORT", StringComparison.Ordinal)).ToArray();
        if (held.Length > 0)
        {
            throw SwitchErrors.WorkersLeft(held);
        }

        var position = await work.StepAsync("Fence", () => fence.CloseAsync(cancellationToken));
        work.Fenced(position);
        fenced.SetResult(position);
        await work.StepAsync("Sync", async () =>
        {
            await using var stop = cancellationToken.Register(stopFollowing.Cancel);
            await following!;
        });
        if (proves)
        {
            await work.StepAsync("Prove", () => Proof.RequireAsync(cancellationToken));
            await work.StepAsync("Indexes", () => indexes.WaitAsync(cancellationToken));
        }

        // Generated keys go on above those of the source.
        await work.StepAsync("Keys", () => StoreSchema.SaveAsync(Session, cancellationToken));
    }

    /// <summary>After the flip: the way back is open, and tried.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await work.StepAsync("OpenWayBack", () => fence.OpenForReverseAsync(cancellationToken));
        await work.StepAsync("WriteBack", () => reverse!.RunAsync(Task.CompletedTask, isQuiet: false, cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        await stopFollowing.CancelAsync();
        if (following is not null)
        {
            await ((Task)following).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (reverse is not null)
        {
            await reverse.DisposeAsync();
        }

        if (reverseLease is not null)
        {
            await reverseLease.DisposeAsync();
        }

        indexes.Dispose();
        stopFollowing.Dispose();
    }

    /// <summary>Follows the source until it is told where that ends; returns when it has caught up.</summary>
    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        var caughtUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var watch = new CatchUpWatch(Session.Time);
        var progress = new Reporter(p =>
        {
            if (p.State == SyncState.Consistent && (p.Lag is null || p.Lag < TimeSpan.FromSeconds(1)))
            {
                caughtUp.TrySetResult();
            }

            if (!caughtUp.Task.IsCompleted)
            {
                Look(p.Lag);
            }
        });
        following = new ChangeFollower(Session, new SyncOptions { Until = new SyncUntil.Told(fenced.Task), IsOfSwitch = true }).RunAsync(progress, stopFollowing.Token);
        await (await Task.WhenAny(following, caughtUp.Task).WaitAsync(cancellationToken));

        void Look(TimeSpan? lag)
        {
            try
            {
                watch.Add(lag);
            }
            catch (MigrationException e)
            {
                caughtUp.TrySetException(e);
            }
        }
    }

    private sealed class Reporter(Action<SyncProgress> report) : IProgress<SyncProgress>
    {
        public void Report(SyncProgress value) => report(value);
    }
}
