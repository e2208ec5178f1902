using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Rotation;

/// <summary>
/// Brings a table's encrypted values under a new data key while all else goes on: a new key becomes current, then passes over the table rewrite what is
/// under others, until a whole pass, begun when
/// every process knows the new key, finds nothing. See <c>docs/privacy.md</c>.
/// </summary>
public sealed class DataKeyRotator(MigrationSession session, RotationOptions options)
{
    private static readonly TimeSpan OnceMore = TimeSpan.FromMilliseconds(250);

    private readonly DataKey keys = new(session.Target, session.Definition, session.Time);

    /// <summary>What <see cref="RunAsync"/> would do now; changes nothing.</summary>
    /// <exception cref="MigrationException"><c>NothingEncrypted</c>, <c>DataKeyMissing</c>, <c>TooManyDataKeys</c>.</exception>
    public async Task<RotationPlan> PlanAsync(CancellationToken cancellationToken)
    {
        await RequireCipherAsync(cancellationToken);
        var item = await keys.RequireAsync(cancellationToken);
        var isUnderWay = await session.Control.FindRotationAsync(cancellationToken) is { IsComplete: false };
        var to = isUnderWay ? item : RequireRoom(item).With(item.CurrentKey);
        return new RotationPlan(to.Current, isUnderWay, await CountAsync(cancellationToken), OthersOf(to));
    }

    /// <summary>
    /// Begins a rotation, or goes on with the one that is not complete, until it is complete or <see cref="RotationOptions.MaxDuration"/> is over.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled; the same call goes on.</exception>
    /// <exception cref="MigrationException"><c>NothingEncrypted</c>, <c>DataKeyMissing</c>, <c>TooManyDataKeys</c>, <c>LeaseHeld</c>, <c>LeaseLost</c>,
    /// those of KMS and of the table.</exception>
    public Task<RotationResult> RunAsync(IProgress<RotationProgress> progress, CancellationToken cancellationToken) => WithLeaseAsync(
        async (lease, cipher, abort) =>
        {
            var started = session.Time.GetTimestamp();
            var (item, checkpoint) = await BeginAsync(lease, abort.Token);
            await cipher.ReadRingAsync(abort.Token);
            var state = new RotationState(checkpoint, session.Time);
            var isComplete = await RunPassesAsync(lease, state, item, cipher, progress, abort);
            return Result(isComplete ? RotationOutcome.Complete : RotationOutcome.Stopped, state.Checkpoint, OthersOf(item), started);
        },
        cancellationToken);

    /// <summary>
    /// Gives up all keys but the current one, after a pass that has found no value under them. What was encrypted with them, in backups and restores,
    /// cannot be read any more.
    /// </summary>
    /// <exception cref="MigrationException"><c>DataKeyInUse</c>: an item may have a value under them.</exception>
    public Task<RotationResult> GiveUpFormerKeysAsync(IProgress<RotationProgress> progress, CancellationToken cancellationToken) => WithLeaseAsync(
        async (lease, cipher, abort) =>
        {
            var started = session.Time.GetTimestamp();
            var item = await keys.RequireAsync(abort.Token);
            var rotation = await session.Control.FindRotationAsync(abort.Token);
            if (rotation is not { IsComplete: true } || rotation.Number != item.Current)
            {
                throw RotationErrors.NotComplete(rotation, session.Definition.Name);
            }

            await cipher.ReadRingAsync(abort.Token);
            var look = new RotationState(
                RotationCheckpoint.Begin(rotation.Number, rotation.Pass, rotation.Segments.Length, session.Time.GetUtcNow()), session.Time);
            await LookAsync(look, cipher, progress, abort);
            if (look.Checkpoint.Found > 0)
            {
                throw await StillUsedAsync(lease, rotation, look.Checkpoint.Found, abort.Token);
            }

            if ((await session.Control.ListLargeUnitsAsync(abort.Token)).Count > 0)
            {
                throw RotationErrors.LargeUnits(session.Definition.Name);
            }

            await session.Control.SaveRotationAsync(lease, rotation with { SavedAt = session.Time.GetUtcNow() },
                item.WithoutOthers().ToItem(keys.Key), abort.Token);
            await cipher.ReadRingAsync(abort.Token);
            return Result(RotationOutcome.GivenUp, rotation, OthersOf(item), started);
        },
        cancellationToken);

    private static ImmutableArray<int> OthersOf(DataKeyItem item) => [.. item.Keys.Keys.Where(k => k != item.Current).Select(k => (int)k)];

    private DataKeyItem RequireRoom(DataKeyItem item) => item.Keys.Count < KeyRing.MostKeys ? item : throw RotationErrors.TooManyKeys(session.Definition.Name);

    private async Task<AttributeCipher> RequireCipherAsync(CancellationToken cancellationToken) =>
        await session.CipherAsync(cancellationToken) ?? throw RotationErrors.NothingEncrypted(session.Definition.Name);

    private async Task<RotationResult> WithLeaseAsync(
        Func<Lease, AttributeCipher, CancellationTokenSource, Task<RotationResult>> run, CancellationToken cancellationToken)
    {
        var cipher = await RequireCipherAsync(cancellationToken);
        await using var lease = await session.Control.AcquireLeaseAsync(Jobs.Rotation, cancellationToken);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost);
        try
        {
            return await run(lease, cipher, abort);
        }
        catch (OperationCanceledException) when (lease.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw RotationErrors.LeaseLost(lease, session.Definition.Name);
        }
    }

    /// <summary>The rotation that is not complete, or a new one: its key and its checkpoint are written at once.</summary>
    private async Task<(DataKeyItem Keys, RotationCheckpoint Checkpoint)> BeginAsync(Lease lease, CancellationToken cancellationToken)
    {
        var item = await keys.RequireAsync(cancellationToken);
        if (await session.Control.FindRotationAsync(cancellationToken) is { IsComplete: false } begun && begun.Number == item.Current)
        {
            return (item, begun);
        }

        var next = RequireRoom(item).With(await keys.MakeAsync(cancellationToken));
        var checkpoint = RotationCheckpoint.Begin(next.Current, 1, TargetSide.SegmentsFor(await CountAsync(cancellationToken)), session.Time.GetUtcNow());
        await session.Control.SaveRotationAsync(lease, checkpoint, next.ToItem(keys.Key), cancellationToken);
        return (next, checkpoint);
    }

    /// <returns>False: the time is over.</returns>
    private async Task<bool> RunPassesAsync(
        Lease lease, RotationState state, DataKeyItem item, AttributeCipher cipher, IProgress<RotationProgress> progress, CancellationTokenSource abort)
    {
        using var stopReading = new CancellationTokenSource(options.MaxDuration ?? Timeout.InfiniteTimeSpan, session.Time);
        using var end = new CancellationTokenSource();
        using var pass = new TablePass(session, options, cipher);
        var settledAt = item.CurrentSince + options.Settled;
        var isSettling = false;
        void Report() => progress.Report(
            Measure(state, pass, isSettling ? $"until {settledAt:HH:mm:ss} UTC, when every process encrypts with the new key" : null));
        var reporting = CheckpointTimer.RunAsync(Report,
            token => session.Control.SaveRotationAsync(lease, state.Checkpoint, null, token), session.Time, abort, end.Token);
        try
        {
            while (true)
            {
                await pass.RunAsync(state, write: true, stopReading.Token, abort.Token);
                var done = state.Checkpoint;
                if (!done.Segments.HasAllSet())
                {
                    return false;
                }

                if (done.Found == 0 && done.PassStartedAt >= settledAt)
                {
                    state.Complete();
                    return true;
                }

                isSettling = done.Found == 0;
                while (isSettling && session.Time.GetUtcNow() < settledAt)
                {
                    await Task.Delay(OnceMore, session.Time, abort.Token);
                    if (stopReading.IsCancellationRequested)
                    {
                        return false;
                    }
                }

                isSettling = false;
                state.BeginPass();
            }
        }
        finally
        {
            await end.CancelAsync();
            await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!lease.Lost.IsCancellationRequested)
            {
                // Also of a call that is stopped: what was done is kept.
                await session.Control.SaveRotationAsync(lease, state.Checkpoint, null, CancellationToken.None);
            }

            Report();
        }
    }

    private async Task LookAsync(RotationState state, AttributeCipher cipher, IProgress<RotationProgress> progress, CancellationTokenSource abort)
    {
        using var pass = new TablePass(session, options, cipher);
        using var end = new CancellationTokenSource();
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(Measure(state, pass, null)), _ => Task.CompletedTask, session.Time, abort, end.Token);
        try
        {
            await pass.RunAsync(state, write: false, CancellationToken.None, abort.Token);
        }
        finally
        {
            await end.CancelAsync();
            await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The rotation is not complete then: the next call goes on with it.</summary>
    private async Task<MigrationException> StillUsedAsync(Lease lease, RotationCheckpoint rotation, long items, CancellationToken cancellationToken)
    {
        var again = RotationCheckpoint.Begin(rotation.Number, rotation.Pass + 1, rotation.Segments.Length, session.Time.GetUtcNow())
            with { Rewritten = rotation.Rewritten };
        await session.Control.SaveRotationAsync(lease, again, null, cancellationToken);
        return RotationErrors.StillUsed(items, session.Definition.Target.Table);
    }

    private static RotationProgress Measure(RotationState state, TablePass pass, string? waiting)
    {
        var now = state.Checkpoint;
        return new RotationProgress(
            now.Number, now.Pass, now.Segments.Cast<bool>().Count(b => b), now.Segments.Length, pass.Items, now.Rewritten,
            waiting ?? (pass.IsWaiting ? "for the limit of units per second" : null));
    }

    private RotationResult Result(RotationOutcome outcome, RotationCheckpoint rotation, ImmutableArray<int> others, long started) =>
        new(outcome, rotation.Number, rotation.Pass, rotation.Rewritten, rotation.Unreadable, others, session.Time.GetElapsedTime(started));

    private async Task<long> CountAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await session.Target.Client.DescribeTableAsync(
                new DescribeTableRequest { TableName = session.Definition.Target.Table }, cancellationToken)).Table.ItemCount ?? 0;
        }
        catch (Exception e) when (e is not MigrationException && !cancellationToken.IsCancellationRequested)
        {
            throw TargetErrors.From(e, session.Target.Endpoint, $"Looking at the table '{session.Definition.Target.Table}'");
        }
    }
}
