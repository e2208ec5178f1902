using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Snapshot;

/// <summary>Copies the source into the billing table, range by range, from one proven start position. Resumable at any instant.</summary>
public sealed class SnapshotExporter(MigrationSession session, SnapshotOptions options)
{
    private const int MostRefusedShown = 1000;

    public MigrationSession Session { get; } = session;

    public SnapshotOptions Options { get; } = options;

    /// <summary>What <see cref="RunAsync"/> would do now; changes nothing.</summary>
    public async Task<SnapshotPlan> PlanAsync(CancellationToken cancellationToken)
    {
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        var scope = await SnapshotScope.BindForPlanAsync(Session, Options, connection, cancellationToken);
        var source = await VetSourceAsync(connection, cancellationToken);
        await RefuseForeignTableAsync(cancellationToken);
        var plan = await new SnapshotEstimator(Session, Options, scope, connection).EstimateAsync(cancellationToken);
        return plan with { Warnings = [.. source.Warnings, .. new[] { source.ExpiryWarning(plan.EstimatedDuration) }.OfType<string>()] };
    }

    /// <summary>
    /// Runs until complete, or until <see cref="SnapshotOptions.MaxDuration"/>: then it returns <see cref="SnapshotOutcome.Stopped"/>. When
    /// cancelled it saves its checkpoints and throws within a second.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled; the same command goes on.</exception>
    /// <exception cref="MigrationException">Any trouble that does not pass by itself.</exception>
    public Task<SnapshotResult> RunAsync(IProgress<SnapshotProgress> progress, CancellationToken cancellationToken) =>
        SourceErrors.NameBrokenAsync(Session.Source.Source, () => RunOnceAsync(progress, cancellationToken), cancellationToken);

    private async Task<SnapshotResult> RunOnceAsync(IProgress<SnapshotProgress> progress, CancellationToken cancellationToken)
    {
        var started = Session.Time.GetTimestamp();
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        var scope = await SnapshotScope.BindAsync(Session, Options, connection, cancellationToken);
        await VetSourceAsync(connection, cancellationToken);
        await new TableInitializer(Session).EnsureUsableAsync(cancellationToken);
        await using var lease = await Session.Control.AcquireLeaseAsync(Jobs.Export(Options.ShardIndex, Options.ShardCount), cancellationToken);

        (await Session.Control.FindRouteAsync(cancellationToken)).RequireSource("An export");
        var run = await FindOrBeginAsync(scope, connection, cancellationToken);
        if (Options.RestartsEntities)
        {
            run = await RestartEntitiesAsync(scope, run, lease, cancellationToken);
        }

        if (run.State == SnapshotState.Complete)
        {
            return await ResultAsync(scope, run, null, started, CancellationToken.None);
        }

        var ranges = await BeginAnewAsync(run, await PlanRangesAsync(scope, run, connection, cancellationToken), lease, cancellationToken);
        using var work = new ExportRun(Session, Options, scope, run, ranges, lease, progress, started);
        var completed = await work.RunAsync(cancellationToken);
        if (completed)
        {
            run = await CompleteAsync(scope, run, lease, cancellationToken);
        }

        return await ResultAsync(scope, run, work, started, cancellationToken);
    }

    /// <summary>A source whose changes cannot be followed is refused before its first row is read, not after hours.</summary>
    private async Task<SourceReplicationSettings> VetSourceAsync(MySqlConnector.MySqlConnection connection, CancellationToken cancellationToken)
    {
        var settings = await SourceReplicationSettings.ReadAsync(connection, Session.Source.Server, cancellationToken);
        settings.EnsureUsable();
        return settings;
    }

    private async Task<SnapshotRun> FindOrBeginAsync(SnapshotScope scope, MySqlConnector.MySqlConnection connection, CancellationToken cancellationToken)
    {
        var found = await Session.Control.FindSnapshotAsync(cancellationToken);
        if (found is not null && (!Options.Restart || Options.RestartsEntities))
        {
            if (!Options.RestartsEntities || !SnapshotErrors.CanBecome(found, scope.Model, scope.Chosen))
            {
                Check(found, scope);
            }

            return await SnapshotPosition.IsReachedAsync(connection, Session.Source.Server, found.Start, cancellationToken)
                ? found
                : throw SnapshotErrors.SourceBehindStart(Session.Source.Source, found.Start);
        }

        await RefuseForeignTableAsync(cancellationToken);

        // The end position needs a privilege that the start may not need: better missed now than after hours.
        await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken);
        await using var old = await OldWorkers.ShutOutAsync(Session.Control, found, Jobs.Export(Options.ShardIndex, Options.ShardCount), cancellationToken);
        var now = Session.Time.GetUtcNow();
        var run = await Session.Control.BeginSnapshotAsync(
            new SnapshotRun
            {
                RunId = now.ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture) + "-" + Guid.NewGuid().ToString("N")[..6],
                StartedAt = now,
                Start = await SourceHistory.MarkAsync(
                    Session.Source, connection, await SnapshotPosition.TakeStartAsync(connection, Session.Source.Server, cancellationToken), Session.Time, cancellationToken),
                State = SnapshotState.Running,
                ShardCount = Options.ShardCount,
                ModelDigest = scope.Model.Digest,
                ModelParts = ModelParts.Of(scope.Model),
                // Asked when nobody writes any more.
                Sweep = await HoldsItemsAsync(cancellationToken),
            },
            found?.RunId,
            cancellationToken);
        Check(run, scope);
        return run;
    }

    /// <summary>In a run under way its ranges are planned anew, by nobody else meanwhile. Behind a complete one the change stream goes on: whoever follows it is asked.</summary>
    private async Task<SnapshotRun> RestartEntitiesAsync(SnapshotScope scope, SnapshotRun run, Lease lease, CancellationToken cancellationToken)
    {
        await using var old = run.State == SnapshotState.Complete
            ? null
            : await OldWorkers.ShutOutAsync(Session.Control, run, lease.Job, cancellationToken);
        // Whoever follows the changes by the old model must have ended, and whoever goes on with the new one must know what to compare.
        await using var sync = run.ModelDigest == scope.Model.Digest ? null : await Session.Control.AcquireLeaseAsync(Jobs.Sync, cancellationToken);
        foreach (var entity in scope.Chosen)
        {
            await (old is null
                ? Session.Control.AskToCompareAsync(run.RunId, entity.Entity, cancellationToken)
                : Session.Control.ForgetPlanAsync(lease, run.RunId, entity.Entity, cancellationToken));
        }

        if (sync is not null)
        {
            run = run with { ModelDigest = scope.Model.Digest, ModelParts = ModelParts.Of(scope.Model) };
            await Session.Control.ChangeModelAsync(sync, run, cancellationToken);
        }

        return old is null ? run : run with { PlannedEntities = [.. run.PlannedEntities.Except(scope.Chosen.Select(e => e.Entity))] };
    }

    /// <summary>Items that no snapshot has written, unless the operator begins over them. Another worker may have begun meanwhile: then they are its own. Tables that are not there yet hold nothing.</summary>
    private async Task RefuseForeignTableAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (!Options.Restart && await Session.Control.FindSnapshotAsync(cancellationToken) is null && await HoldsItemsAsync(cancellationToken)
                && await Session.Control.FindSnapshotAsync(cancellationToken) is null)
            {
                throw SnapshotErrors.TableHoldsItems(Session.Definition);
            }
        }
        catch (MigrationException e) when (e.ErrorId is "ControlTableNotFound" or "TableNotFound")
        {
        }
    }

    private async Task<bool> HoldsItemsAsync(CancellationToken cancellationToken)
    {
        using var reader = new ItemReader(Session.Target, Session.Definition.Target.Table, new TransferMetrics(), Session.Retry, Session.Time);
        return await reader.AnyAsync(cancellationToken);
    }

    private void Check(SnapshotRun run, SnapshotScope scope)
    {
        SnapshotErrors.RequireModel(run, scope.Model);
        if (run.State == SnapshotState.Running && run.ShardCount != Options.ShardCount)
        {
            throw SnapshotErrors.ShardCountChanged(run, Options.ShardCount);
        }
    }

    private async Task<ImmutableArray<SnapshotRange>> PlanRangesAsync(SnapshotScope scope, SnapshotRun run, MySqlConnector.MySqlConnection connection, CancellationToken cancellationToken)
    {
        var planner = new RangePlanner(connection, Options.RowsPerRange);
        var all = ImmutableArray.CreateBuilder<SnapshotRange>();
        foreach (var entity in scope.Chosen)
        {
            all.AddRange(run.PlannedEntities.Contains(entity.Entity)
                ? await Session.Control.ListRangesAsync(run.RunId, entity.Entity, cancellationToken)
                : await Session.Control.PlanRangesAsync(run.RunId, entity.Entity, await planner.PlanAsync(entity, cancellationToken), cancellationToken));
        }

        return all.ToImmutable();
    }

    /// <summary>Ranges of this worker that an earlier one left because of refused rows begin anew: some rows may have been put right.</summary>
    private async Task<ImmutableArray<SnapshotRange>> BeginAnewAsync(SnapshotRun run, ImmutableArray<SnapshotRange> ranges, Lease lease, CancellationToken cancellationToken)
    {
        var result = ranges.ToBuilder();
        for (var i = 0; i < result.Count; i++)
        {
            if (result[i].Number % Options.ShardCount == Options.ShardIndex && RangeTracker.MustBeginAnew(result[i]))
            {
                result[i] = await Session.Control.ResetRangeAsync(lease, run.RunId, result[i], cancellationToken);
            }
        }

        return result.MoveToImmutable();
    }

    /// <summary>Ends the run when this worker's part was the last one: every range of every entity, whoever exported it.</summary>
    private async Task<SnapshotRun> CompleteAsync(SnapshotScope scope, SnapshotRun run, Lease lease, CancellationToken cancellationToken)
    {
        var whole = run with { PlannedEntities = [.. scope.Model.Entities.Select(e => e.Entity)] };
        return await Session.Control.CompleteSnapshotAsync(
            lease,
            whole,
            TakeEndAsync,
            cancellationToken);
    }

    /// <summary>The end position over a connection of its own: the one of the beginning may have timed out in a long export.</summary>
    private async Task<SourcePosition> TakeEndAsync(CancellationToken cancellationToken)
    {
        var retry = new SourceRetry(Session.Source, Session.Retry.GiveUpAfter, Session.Time);
        while (true)
        {
            try
            {
                await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
                return await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && SourceErrors.IsTransient(e))
            {
                await retry.WaitAsync(e, cancellationToken);
            }
        }
    }

    private async Task<SnapshotResult> ResultAsync(SnapshotScope scope, SnapshotRun run, ExportRun? work, long started, CancellationToken cancellationToken)
    {
        // Broken off in an outage, it does not wait for the control table to tell.
        var all = work is { IsBrokenOff: true } ? work.Ranges : await Session.Control.ListRangesAsync(run.RunId, null, cancellationToken);
        var ranges = all.ToLookup(r => r.Entity);
        var refused = work is { IsBrokenOff: true } ? [] : await Session.Control.ListSetAsideAsync(run.RunId, MostRefusedShown, cancellationToken);
        var entities = scope.Chosen.Select(e => new EntityResult(
            e.Entity, e.Table.Name, ranges[e.Entity].Sum(r => r.Rows), ranges[e.Entity].Sum(r => r.Items), ranges[e.Entity].Sum(r => r.SetAside),
            ranges[e.Entity].Count(r => r.Done), ranges[e.Entity].Count())).ToImmutableArray();
        return new SnapshotResult
        {
            Migration = Session.Definition.Name,
            Table = Session.Definition.Target.Table,
            RunId = run.RunId,
            Outcome = work?.Outcome ?? (Options.RestartsEntities ? SnapshotOutcome.LeftToSync : SnapshotOutcome.Complete),
            Start = run.Start,
            RunState = run.State,
            Entities = entities,
            Items = work?.Items ?? 0,
            Bytes = work?.Bytes ?? 0,
            ConsumedWriteUnits = work?.Metrics.ConsumedUnits ?? 0,
            Requests = work?.Metrics.Requests ?? 0,
            ThrottledRequests = work?.Metrics.Throttled ?? 0,
            Duration = Session.Time.GetElapsedTime(started),
            Refused = refused,
        };
    }
}
