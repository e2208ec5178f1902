using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;

namespace BillingMigration.Reverse;

/// <summary>Writes what applications change in the billing table back to the source, while they work on the table. Resumable at any instant.</summary>
public sealed class ReverseFollower(MigrationSession session, ReverseOptions options)
{
    public MigrationSession Session { get; } = options.Follow ? session.WithoutLimit() : session;

    public ReverseOptions Options { get; } = options;

    /// <exception cref="OperationCanceledException">Cancelled; the same command goes on.</exception>
    /// <exception cref="MigrationException">
    /// <c>ReverseNotAllowed</c>: applications work on the source. <c>StreamTrimmed</c>: it was away for longer than the stream keeps. Any trouble that does not pass by itself.
    /// </exception>
    public Task<ReverseResult> RunAsync(IProgress<ReverseProgress> progress, CancellationToken cancellationToken) =>
        SourceErrors.NameBrokenAsync(Session.Source.Source, () => RunOnceAsync(progress, cancellationToken), cancellationToken);

    /// <summary>The definition bound to the source, as the run of the snapshot had it.</summary>
    internal static async Task<BillingModel> BindAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var scope = await SnapshotScope.BindForComparisonAsync(session, new SnapshotOptions(), connection, cancellationToken);
        var run = await session.Control.FindSnapshotAsync(cancellationToken);
        return run is not { State: SnapshotState.Complete } ? throw IntegrityErrors.SnapshotIncomplete(session.Definition.Name, run)
            : SnapshotErrors.RequireModel(run, scope.Model);
    }

    private async Task<ReverseResult> RunOnceAsync(IProgress<ReverseProgress> progress, CancellationToken cancellationToken)
    {
        var started = Session.Time.GetTimestamp();
        var model = await BindAsync(Session, cancellationToken);
        await using var lease = await Session.Control.AcquireLeaseAsync(Jobs.Reverse, cancellationToken);
        var route = await Session.Control.FindRouteAsync(cancellationToken);
        if (route.Backend != StoreBackend.DynamoDb)
        {
            throw ReverseErrors.NotOnTable(route);
        }

        await using var run = Options.Restart
            ? await ReverseRun.BeginAsync(Session, model, lease, Options.SetAside, toCompare: true, cancellationToken)
            : await ReverseRun.GoOnAsync(Session, model, lease, Options.SetAside, cancellationToken);
        using var stop = Options.MaxDuration is { } most ? new CancellationTokenSource(most, Session.Time) : new CancellationTokenSource();
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost, stop.Token);
        using var end = new CancellationTokenSource();
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(run.Measure()), run.SaveAsync, Session.Time, abort, end.Token);
        try
        {
            if (run.ToCompare)
            {
                await run.CompareAllAsync(abort.Token);
            }

            await run.RunAsync(Options.Follow ? new TaskCompletionSource().Task : Task.CompletedTask, isQuiet: false, abort.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested && !lease.Lost.IsCancellationRequested)
        {
            // What was written is in the last checkpoint, or is looked at again.
        }
        catch (OperationCanceledException) when (lease.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw ReverseErrors.LeaseLost(lease, Session.Definition.Name);
        }
        finally
        {
            await end.CancelAsync();
            await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        progress.Report(run.Measure());
        return new ReverseResult
        {
            Migration = Session.Definition.Name,
            Table = Session.Definition.Target.Table,
            IsCaughtUp = run.IsCaughtUp,
            Items = run.Items,
            Rows = run.Rows,
            Duration = Session.Time.GetElapsedTime(started),
            Refused = await Session.Control.ListReverseSetAsideAsync(cancellationToken),
        };
    }
}
