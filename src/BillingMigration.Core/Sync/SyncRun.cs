using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Sync;

/// <summary>
/// Changes of a snapshot under way: one window is filled from the stream while the one before it is written. A window begins to be written when the
/// one before it is through, so a change never overtakes another of its key.
/// </summary>
internal sealed class SyncRun : ICascadeWriter, IAsyncDisposable
{
    private static readonly TimeSpan LastCheckpointTimeout = TimeSpan.FromMilliseconds(600);
    private static readonly TimeSpan HeartbeatPeriod = TimeSpan.FromSeconds(2);

    // Cascades are followed for many transactions at once: what they read again is as new as the last of them.
    private const int MostCascades = 1_000;

    private readonly MigrationSession session;
    private readonly SyncOptions options;
    private readonly SyncCheckpoint first;
    private readonly Lease lease;
    private readonly IProgress<SyncProgress> progress;
    private readonly BoundTables tables;
    private readonly SyncGoal goal;
    private readonly SourceRetry retry;
    private readonly BatchWriter batchWriter;
    private readonly WindowWriter writer;
    private readonly TransferThrottle throttle;
    private readonly BinlogConnectionOptions streamOptions;
    private readonly SyncMeter meter;
    private readonly List<SetAsideRow> unsaved = [];
    private readonly List<SetAsideRow> refused = [];
    private ChangeWindow filling = new();
    private ChangeWindow other = new();
    private Task writing = Task.CompletedTask;
    private StreamPoint applied;
    private StreamPoint? saved;
    private SourcePosition? horizon;
    private volatile bool idle;
    private readonly ItemReader items;
    private readonly CascadeFollower cascades;
    private ChangeReader? reader;
    private StreamTracker? tracker;

    public SyncRun(MigrationSession session, SyncOptions options, SyncCheckpoint first, BoundTables tables, Lease lease, IProgress<SyncProgress> progress)
    {
        this.session = session;
        this.options = options;
        this.first = first;
        this.tables = tables;
        this.lease = lease;
        this.progress = progress;
        applied = new StreamPoint(first.Position, first.Position);
        horizon = first.Horizon;
        goal = new SyncGoal(session, options.Until);
        retry = new SourceRetry(session.Source, options.Follow ? TimeSpan.MaxValue : session.Retry.GiveUpAfter, session.Time);
        var limits = Limits(session, options);
        throttle = new TransferThrottle(limits, session.Time);
        batchWriter = new BatchWriter(session.Target, session.Definition.Target.Table, throttle, Metrics, session.Retry, session.Time);
        writer = new WindowWriter(batchWriter, limits.Writers, options.SetAside);
        items = new ItemReader(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
        cascades = new CascadeFollower(session, tables.Cascades, items, options.SetAside);
        streamOptions = new BinlogConnectionOptions { BaseDirectory = session.Source.BaseDirectory, HeartbeatPeriod = HeartbeatPeriod };
        meter = new SyncMeter(session.Time);
    }

    public TransferMetrics Metrics { get; } = new();

    public RowCounts Counts { get; } = new();

    public long Transactions => meter.Transactions;

    public long ItemsPut => writer.Put;

    public long ItemsDeleted => writer.Deleted;

    public SourcePosition Position => applied.Seen;

    public SyncState State => horizon is null ? SyncState.Consistent : SyncState.Converging;

    public TimeSpan? Lag => meter.Lag(idle);

    public ImmutableArray<SetAsideRow> Refused => [.. refused];

    /// <returns>True when the goal is reached, false when it was stopped before.</returns>
    public async Task<bool> RunAsync(CancellationToken stopReading, CancellationToken cancellationToken)
    {
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost);
        using var end = new CancellationTokenSource();
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(Measure()), token => SaveAsync(isLast: false, token), session.Time, abort, end.Token);
        Exception? failure = null;
        var reached = false;
        try
        {
            reached = await FollowAsync(stopReading, abort.Token);

            // The goal may be reached while later changes are under way: nothing of this run may arrive after its end.
            await writing;
        }
        catch (Exception e)
        {
            failure = e;
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await end.CancelAsync();
        await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await SaveLastAsync(failure is null, cancellationToken);
        if (reporting.IsFaulted && failure is null or OperationCanceledException)
        {
            await reporting;
        }

        if (failure is OperationCanceledException && lease.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw SyncErrors.LeaseLost(lease, session.Definition.Name);
        }

        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        progress.Report(Measure());
        return reached;
    }

    public async ValueTask DisposeAsync()
    {
        await cascades.DisposeAsync();
        batchWriter.Dispose();
        writer.Dispose();
        filling.Dispose();
        other.Dispose();
        goal.Dispose();
        items.Dispose();
    }

    private static ThrottleDefinition Limits(MigrationSession session, SyncOptions options)
    {
        var defined = session.Definition.Throttle;
        return defined with
        {
            BytesPerSecond = options.BytesPerSecond ?? defined.BytesPerSecond,
            ItemsPerSecond = options.ItemsPerSecond ?? defined.ItemsPerSecond,
            WriteUnitsPerSecond = options.WriteUnitsPerSecond ?? defined.WriteUnitsPerSecond,
        };
    }

    /// <summary>Follows the stream, and takes it up again where it broke.</summary>
    private async Task<bool> FollowAsync(CancellationToken stopReading, CancellationToken abort)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(stopReading, abort);
        while (true)
        {
            try
            {
                return await FollowOnceAsync(reading, stopReading, abort);
            }
            catch (OperationCanceledException) when (stopReading.IsCancellationRequested && !abort.IsCancellationRequested)
            {
                return false;
            }
            catch (Exception e) when (!abort.IsCancellationRequested && e is not MigrationException { Kind: not MigrationErrorKind.Unreachable } && SourceErrors.IsTransient(e) && writing is not { IsFaulted: true })
            {
                // What is read and not yet written comes again.
                await writing;
                filling.Clear();
                try
                {
                    await retry.WaitAsync(e, reading.Token);
                }
                catch (OperationCanceledException) when (!abort.IsCancellationRequested)
                {
                    return false;
                }
            }
        }
    }

    private async Task<bool> FollowOnceAsync(CancellationTokenSource reading, CancellationToken stopReading, CancellationToken abort)
    {
        tracker = new StreamTracker(applied.Restart, session.Source.Server.Identity);
        var connection = await BinlogConnection.OpenAsync(
            session.Source.Source, session.Source.Credential, BinlogStart.At(applied.Restart), streamOptions, session.Time, reading.Token);
        await using var decoder = new BinlogDecoder(connection);
        using var following = new ChangeReader(tables, tracker, Counts, options.SetAside, options.FollowUnloggedCascades) { Window = filling };
        reader = following;
        try
        {
            while (await NextAsync(decoder, reading.Token, abort) is { } next)
            {
                reader.Accept(next);
                while (!reader.ReadRows())
                {
                    await TurnAsync(abort);
                }

                if (!reader.InTransaction && !filling.IsEmpty && (writing.IsCompleted || reader.Cascades.Count >= MostCascades))
                {
                    await CloseAsync(abort);
                    if (await IsReachedAsync(abort))
                    {
                        return true;
                    }
                }
            }

            return true;
        }
        catch (Exception e) when ((e is MigrationException || stopReading.IsCancellationRequested) && !abort.IsCancellationRequested && !reader.HasPart && !writing.IsFaulted)
        {
            // Whole transactions that were read before the end are written.
            await TurnAsync(abort);
            await writing;
            throw;
        }
    }

    ChangeWindow ICascadeWriter.Window => filling;

    void ICascadeWriter.ReadAhead(SourcePosition position)
    {
        lock (unsaved)
        {
            horizon = position;
        }
    }

    async ValueTask ICascadeWriter.MakeRoomAsync(CancellationToken cancellationToken)
    {
        if (filling.IsFull)
        {
            await TurnAsync(cancellationToken);
        }
    }

    /// <summary>Ends a window between two transactions, with what cascades of them there are.</summary>
    private async ValueTask CloseAsync(CancellationToken abort)
    {
        if (reader!.Cascades.Count > 0)
        {
            await CascadeAsync(abort);
        }

        await TurnAsync(abort);
    }

    /// <summary>
    /// Follows foreign keys that the binlog does not. All changes up to and with the last transaction are written first; their checkpoint comes with the
    /// children's changes, so that a crash between the two repeats both.
    /// </summary>
    private async Task CascadeAsync(CancellationToken abort)
    {
        filling.HasEnd = false;
        await TurnAsync(abort);
        await writing;
        await cascades.RunAsync(reader!.Cascades, tracker!.Now().Seen, this, abort);
        reader.Cascades.Clear();
        filling.HasEnd = true;
    }

    /// <summary>The next event; meanwhile, what has been read is written. Null when the goal is reached.</summary>
    private async ValueTask<BinlogEvent?> NextAsync(BinlogDecoder decoder, CancellationToken reading, CancellationToken abort)
    {
        reading.ThrowIfCancellationRequested();
        var pending = decoder.ReadAsync(reading);
        if (pending.IsCompletedSuccessfully)
        {
            return pending.Result;
        }

        var read = pending.AsTask();
        try
        {
            while (!read.IsCompleted && !reader!.InTransaction)
            {
                if (!filling.IsEmpty)
                {
                    await Task.WhenAny(read, writing);
                    if (writing.IsCompleted)
                    {
                        await CloseAsync(abort);
                    }

                    continue;
                }

                await Task.WhenAny(read, writing);
                if (read.IsCompleted)
                {
                    break;
                }

                await writing;
                idle = true;
                if (await IsReachedAsync(abort))
                {
                    return null;
                }

                await Task.WhenAny(read, Task.Delay(CheckpointTimer.ReportInterval, session.Time, abort));
            }

            return await read;
        }
        finally
        {
            idle = false;
            // A read that is left alone ends with the connection.
            _ = read.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }

    /// <summary>Begins to write the filled window when the one before it is through; reading goes on into the other.</summary>
    private async ValueTask TurnAsync(CancellationToken abort)
    {
        await writing;
        var window = filling;
        // A transaction whose cascades are still to be followed is not through.
        window.End = window.HasEnd && reader!.Cascades.Count == 0 ? tracker!.Now() : null;
        (filling, other) = (other, window);
        reader!.Window = filling;
        writing = window.Count == 0 ? Written(window) : WriteAsync(window, abort);
    }

    private async Task WriteAsync(ChangeWindow window, CancellationToken abort)
    {
        await writer.WriteAsync(window, abort);
        await Written(window);
    }

    private Task Written(ChangeWindow window)
    {
        lock (unsaved)
        {
            unsaved.AddRange(window.SetAside);
            refused.AddRange(window.SetAside);
            applied = window.End ?? applied;
            if (horizon is not null && applied.HasReached(horizon))
            {
                horizon = null;
            }

            meter.Count(window);
        }

        retry.Succeeded();
        window.Clear();
        return Task.CompletedTask;
    }

    private ValueTask<bool> IsReachedAsync(CancellationToken cancellationToken)
    {
        lock (unsaved)
        {
            return goal.IsReachedAsync(applied, horizon, meter.CommittedAt, cancellationToken);
        }
    }

    private async Task SaveAsync(bool isLast, CancellationToken cancellationToken)
    {
        StreamPoint point;
        SyncCheckpoint checkpoint;
        ImmutableArray<SetAsideRow> rows;
        lock (unsaved)
        {
            if (applied == saved && unsaved.Count == 0 && !isLast)
            {
                return;
            }

            point = applied;
            rows = [.. unsaved];
            checkpoint = first with
            {
                Position = point.Restart,
                State = State,
                Horizon = horizon,
                IsLast = isLast,
                Transactions = first.Transactions + meter.Transactions,
                Rows = first.Rows + meter.Rows,
                CommittedAt = meter.CommittedAt ?? first.CommittedAt,
                SavedAt = session.Time.GetUtcNow(),
            };
        }

        await session.Control.SaveSyncAsync(lease, checkpoint, rows, cancellationToken);
        lock (unsaved)
        {
            saved = point;
            unsaved.RemoveRange(0, rows.Length);
        }
    }

    private async Task SaveLastAsync(bool completed, CancellationToken cancellationToken)
    {
        if (completed && !cancellationToken.IsCancellationRequested)
        {
            await SaveAsync(isLast: true, cancellationToken);
            return;
        }

        using var moment = new CancellationTokenSource(LastCheckpointTimeout, session.Time);
        try
        {
            await SaveAsync(isLast: false, moment.Token);
        }
        catch (Exception e) when (e is MigrationException or OperationCanceledException)
        {
            // The reason of the stop is already on its way; these changes are read again.
        }
    }

    private SyncProgress Measure()
    {
        lock (unsaved)
        {
            return new SyncProgress
            {
                Transactions = meter.Transactions,
                Rows = meter.Rows,
                Items = writer.Put + writer.Deleted,
                RowsPerSecond = meter.RowsPerSecond(),
                Position = applied.Seen,
                Lag = Lag,
                State = State,
                Elapsed = meter.Elapsed,
                Waiting = retry.IsWaiting ? "the source does not answer: trying again" : throttle.State.ToString(),
            };
        }
    }
}
