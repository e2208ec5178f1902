using System.Collections.Concurrent;
using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Snapshot;

/// <summary>One worker's part of a snapshot under way: readers, writers, checkpoints, progress, and how they end together.</summary>
internal sealed class ExportRun : IDisposable
{
    // Ctrl+C ends within a second: what cannot be saved by then is read again by the next run.
    private static readonly TimeSpan LastCheckpointTimeout = TimeSpan.FromMilliseconds(600);

    private readonly MigrationSession session;
    private readonly SnapshotOptions options;
    private readonly SnapshotScope scope;
    private readonly SnapshotRun run;
    private readonly Lease lease;
    private readonly IProgress<SnapshotProgress> progress;
    private readonly long started;
    private readonly ThrottleDefinition limits;
    private readonly TransferThrottle throttle;
    private readonly BatchWriter batchWriter;
    private readonly ImmutableArray<RangeTracker> trackers;
    private readonly ImmutableArray<SnapshotRange> otherRanges;
    private readonly SourceLoadGate gate;
    private readonly List<SourceRetry> retries = [];
    private readonly ExportMeter meter;
    private WriterPool? writers;
    private bool transferred;
    private bool readToEnd;

    public ExportRun(
        MigrationSession session, SnapshotOptions options, SnapshotScope scope, SnapshotRun run, ImmutableArray<SnapshotRange> ranges, Lease lease,
        IProgress<SnapshotProgress> progress, long started)
    {
        this.session = session;
        this.options = options;
        this.scope = scope;
        this.run = run;
        this.lease = lease;
        this.progress = progress;
        this.started = started;
        limits = Limits(session, options);
        throttle = new TransferThrottle(limits, session.Time);
        batchWriter = new BatchWriter(session.Target, session.Definition.Target.Table, throttle, Metrics, session.Retry, session.Time, lease.WaitHeldAsync, limits.Writers);
        bool IsMine(SnapshotRange range) => !range.Done && range.Number % options.ShardCount == options.ShardIndex;
        trackers = [.. ranges.Where(IsMine).Select(r => new RangeTracker(r, options.SetAside))];
        otherRanges = [.. ranges.Where(r => !IsMine(r))];
        gate = new SourceLoadGate(limits.MaxThreadsRunning, session.Time);
        meter = new ExportMeter(scope, throttle, Metrics, SourceWaiting, session.Time);
    }

    public TransferMetrics Metrics { get; } = new();

    public long Items => writers?.Items ?? 0;

    public long Bytes => writers?.Bytes ?? 0;

    public SnapshotOutcome Outcome => !readToEnd ? SnapshotOutcome.Stopped
        : trackers.All(t => t.Written.Done) ? SnapshotOutcome.Complete
        : SnapshotOutcome.Failed;

    /// <summary>True when it ended by its time limit with writes under way that did not come through: what the control table has is further back than what is written.</summary>
    public bool IsBrokenOff { get; private set; }

    /// <summary>The ranges of all workers, as far as this one knows.</summary>
    public IEnumerable<SnapshotRange> Ranges => trackers.Select(t => t.Written).Concat(otherRanges);

    /// <returns>True when every range of this worker is done.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        // What it took to get here (binding, lease, plan) is part of the operator's limit.
        using var stopReading = options.MaxDuration is { } most
            ? new CancellationTokenSource(Max(TimeSpan.Zero, most - session.Time.GetElapsedTime(started)), session.Time)
            : new CancellationTokenSource();
        using var lastWrites = new LastWrites(session.Time, stopReading.Token);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost, lastWrites.Over);
        using var end = new CancellationTokenSource();
        writers = new WriterPool(batchWriter, limits.Writers, abort.Token);
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(meter.Measure(trackers, otherRanges)), SaveAsync, session.Time, abort, end.Token);
        Exception? failure = null;
        try
        {
            await TransferAsync(abort, stopReading.Token);
            transferred = true;
            readToEnd = !stopReading.IsCancellationRequested || trackers.All(t => t.Written.Done);
        }
        catch (Exception e)
        {
            IsBrokenOff = lastWrites.Ended(e, cancellationToken, lease.Lost);
            failure = IsBrokenOff ? null : e;
        }

        await end.CancelAsync();
        await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await SaveLastAsync(cancellationToken);
        if (!IsBrokenOff)
        {
            await ThrowAsync(failure, reporting, cancellationToken);
        }

        progress.Report(meter.Measure(trackers, otherRanges));
        return Outcome == SnapshotOutcome.Complete;
    }

    public void Dispose()
    {
        batchWriter.Dispose();
        foreach (var tracker in trackers)
        {
            tracker.Dispose();
        }
    }

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private static ThrottleDefinition Limits(MigrationSession session, SnapshotOptions options)
    {
        var defined = session.Definition.Throttle;
        return defined with
        {
            BytesPerSecond = options.BytesPerSecond ?? defined.BytesPerSecond,
            ItemsPerSecond = options.ItemsPerSecond ?? defined.ItemsPerSecond,
            WriteUnitsPerSecond = options.WriteUnitsPerSecond ?? defined.WriteUnitsPerSecond,
        };
    }

    /// <summary>Readers and writers until all is written; the first error of any of them ends the others.</summary>
    private async Task TransferAsync(CancellationTokenSource abort, CancellationToken stopReading)
    {
        var queue = new ConcurrentQueue<RangeTracker>(trackers);
        var readers = Enumerable.Range(0, Math.Min(limits.Readers, Math.Max(1, trackers.Length)))
            .Select(_ => Task.Run(() => ReadAsync(queue, stopReading, abort.Token), CancellationToken.None)).ToList();
        var tasks = new List<Task>(readers) { writers!.WhenDrainedAsync() };
        Exception? first = null;
        while (tasks.Count > 0)
        {
            var ended = await Task.WhenAny(tasks);
            tasks.Remove(ended);
            readers.Remove(ended);
            if (!ended.IsCompletedSuccessfully)
            {
                first ??= ended.Exception?.InnerException ?? new OperationCanceledException(abort.Token);
                await abort.CancelAsync();
            }

            if (readers.Count == 0)
            {
                writers.Complete();
            }
        }

        await writers.WhenEndedAsync();
        if (first is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }
    }

    private async Task ReadAsync(ConcurrentQueue<RangeTracker> queue, CancellationToken stopReading, CancellationToken abort)
    {
        var retry = new SourceRetry(session.Source, session.Retry.GiveUpAfter, session.Time);
        lock (retries)
        {
            retries.Add(retry);
        }

        await using var exporter = new RangeExporter(session.Source, run.Start, writers!, throttle, gate, retry, limits.RowsPerSecond);
        while (!stopReading.IsCancellationRequested && queue.TryDequeue(out var range))
        {
            await exporter.ExportAsync(scope.Model[range.Start.Entity], range, stopReading, abort);
        }
    }

    /// <summary>Throws what ended the run before its end, the cause and not what followed from it.</summary>
    private async Task ThrowAsync(Exception? failure, Task reporting, CancellationToken cancellationToken)
    {
        if (reporting.IsFaulted && failure is null or OperationCanceledException)
        {
            await reporting;
        }

        if (failure is OperationCanceledException && lease.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw LeaseLost();
        }

        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private async Task SaveAsync(CancellationToken cancellationToken)
    {
        foreach (var tracker in trackers)
        {
            if (tracker.TakeCheckpoint() is not { } checkpoint)
            {
                continue;
            }

            try
            {
                await session.Control.SaveRangeAsync(lease, run.RunId, checkpoint.Range, checkpoint.SetAside, cancellationToken);
            }
            catch
            {
                tracker.ReturnCheckpoint(checkpoint.SetAside);
                throw;
            }
        }
    }

    /// <summary>Saves what was written since the last checkpoint: in full when all that was read is written, as far as a moment allows when it was broken off.</summary>
    private async Task SaveLastAsync(CancellationToken cancellationToken)
    {
        if (!cancellationToken.IsCancellationRequested && transferred)
        {
            await SaveAsync(cancellationToken);
            return;
        }

        using var moment = new CancellationTokenSource(LastCheckpointTimeout, session.Time);
        try
        {
            await SaveAsync(moment.Token);
        }
        catch (Exception e) when (e is MigrationException or OperationCanceledException)
        {
            // The reason of the stop is already on its way; these rows are read again.
        }
    }

    private string? SourceWaiting()
    {
        if (lease.IsPaused)
        {
            return Lease.PausedText;
        }

        if (gate.IsWaiting)
        {
            return "the source is busy (Threads_running)";
        }

        lock (retries)
        {
            return retries.Exists(r => r.IsWaiting) ? "the source does not answer: trying again" : null;
        }
    }

    private MigrationException LeaseLost() => new(
        "LeaseLost", MigrationErrorKind.Busy,
        $"This worker lost the lease {lease.Job} of the migration {session.Definition.Name}: the control table could not be reached for too long, or another worker took over. What it wrote is safe; see who works with Get-BillingMigration, or run the same command again.", lease.Job);
}
