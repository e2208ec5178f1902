using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Reverse;
using BillingMigration.Source;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;

namespace BillingMigration.Store.Cutover;

/// <summary>From the table back to the source. Until the flip the table has everything; the stream of changes then goes on from where the source stands.</summary>
internal sealed class BackSwitch(SwitchWork work, Fence fence, bool proves) : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan Near = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource stop = new();
    private readonly Proof proof = new(work.Session, looksBefore: 0, rowsBefore: 1_000);
    private BillingModel? model;
    private Lease? reverseLease;
    private Lease? syncLease;
    private ReverseRun? reverse;
    private Task? writingBack;
    private DynamoDbBillingStore? store;

    private MigrationSession Session => work.Session;

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        model = await ReverseFollower.BindAsync(Session, cancellationToken);
        reverseLease = await Session.Control.AcquireLeaseAsync(Jobs.Reverse, cancellationToken);
        syncLease = await Session.Control.AcquireLeaseAsync(Jobs.Sync, cancellationToken);
        await fence.TakeAsync(cancellationToken);
        store = await DynamoDbBillingStore.OpenAsync(Session, cancellationToken);
        reverse = await ReverseRun.GoOnAsync(Session, model, reverseLease, setAside: true, cancellationToken);
        writingBack = reverse.RunAsync(ended.Task, isQuiet: true, stop.Token);
        await work.StepAsync("CatchUp", async () =>
        {
            var watch = new CatchUpWatch(Session.Time);
            while (reverse.Measure().Lag is { } lag && lag >= Near && !writingBack.IsCompleted)
            {
                watch.Add(lag);
                await Task.Delay(Poll, Session.Time, cancellationToken);
            }

            if (writingBack.IsCompleted)
            {
                await writingBack;
            }
        });
        if (proves)
        {
            await work.StepAsync("Compare", () => proof.WarmAsync(cancellationToken));
        }
    }

    /// <summary>While calls wait: what was begun on the table is over, all of it is in the source, and proven to be.</summary>
    public async Task DrainAsync(Route draining, CancellationToken cancellationToken)
    {
        // Nothing fences a table: what an application has sent may land until then, unless it says that all of it is answered.
        await work.WaitAsync(draining, RouteTimes.UntilNothingLands(draining), cancellationToken);
        await work.StepAsync("LargeUnits", () => store!.FinishAllLargeUnitsAsync(cancellationToken));
        await work.StepAsync("WriteBack", async () =>
        {
            ended.SetResult();
            await using var stopped = cancellationToken.Register(stop.Cancel);
            await writingBack!;
        });
        if (await Session.Control.ListReverseSetAsideAsync(cancellationToken) is { IsEmpty: false } left && !work.Record.Forced.Contains("WayBack"))
        {
            throw SwitchErrors.NotEqual($"{left.Length} rows were not taken by the source, {left[0].Entity} {left[0].Key} the first: {left[0].Reason}");
        }

        await work.StepAsync("Keys", () => RaiseKeysAsync(cancellationToken));
        await work.StepAsync("Position", () => MoveChangesAsync(cancellationToken));
        if (proves)
        {
            await work.StepAsync("Prove", () => proof.RequireAsync(cancellationToken));
        }
    }

    public Task FinishAsync(CancellationToken cancellationToken) => work.StepAsync("Unfence", () => fence.OpenAsync(cancellationToken));

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        if (writingBack is not null)
        {
            await writingBack.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await (reverse?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (store?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (syncLease?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (reverseLease?.DisposeAsync() ?? ValueTask.CompletedTask);
        stop.Dispose();
    }

    /// <summary>Generated keys go on above those that were given on the table, used or not.</summary>
    private async Task RaiseKeysAsync(CancellationToken cancellationToken)
    {
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        foreach (var entity in model!.Entities.Where(e => e.Table.Columns.Any(c => c.AutoIncrement)))
        {
            if (await Sequence.FindAsync(Session.Target.Client, Session.Definition, entity.Entity, cancellationToken) is { } taken)
            {
                await SourceKeys.RaiseAsync(connection, entity, taken, cancellationToken);
            }
        }
    }

    /// <summary>All that the source has by now came from the table: the stream of changes goes on behind it.</summary>
    private async Task MoveChangesAsync(CancellationToken cancellationToken)
    {
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        var run = (await Session.Control.FindSnapshotAsync(cancellationToken))!;
        var sync = (await Session.Control.FindSyncAsync(run.RunId, cancellationToken))!;
        var position = await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken);
        await Session.Control.SaveSyncAsync(syncLease!, sync with { Position = position, Seen = null, Horizon = null, FormerParents = [], IsLast = true, SavedAt = Session.Time.GetUtcNow() }, [], cancellationToken);
    }
}
