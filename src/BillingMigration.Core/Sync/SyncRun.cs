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
    private static readonly TimeSpan HeartbeatPeriod = TimeSpan.FromSeconds(2);

    private readonly MigrationSession session;
    private readonly SyncOptions options;
    private readonly Lease lease;
    private readonly IProgress<SyncProgress> progress;
    private readonly BoundTables tables;
    private readonly SyncGoal goal;
    private readonly SourceRetry retry;
    private readonly BatchWriter batchWriter;
    private readonly WindowWriter writer;
    private readonly TransferThrottle throttle;
    private readonly BinlogConnectionOptions streamOptions;
    private readonly BinlogConnectionOptions aheadOptions;
    private readonly SyncMeter meter;
    private readonly SyncLedger ledger;
    private readonly ItemReader items;
    private readonly CascadeFollower cascades;
    private ChangeWindow filling = new();
    private ChangeWindow other = new();
    private Task writing = Task.CompletedTask;
    private volatile bool idle;
    private ChangeReader? reader;
    private StreamTracker? tracker;

    /// <param name="snapshotEnd">What the snapshot read is not newer than this.</param>
    public SyncRun(
        MigrationSession session, SyncOptions options, SyncCheckpoint first, SourcePosition snapshotEnd, BoundTables tables, Lease lease, IProgress<SyncProgress> progress)
    {
        this.session = session;
        this.options = options;
        this.tables = tables;
        this.lease = lease;
        this.progress = progress;
        goal = new SyncGoal(session, options.Until);
        retry = new SourceRetry(session.Source, options.Follow ? TimeSpan.MaxValue : session.Retry.GiveUpAfter, session.Time);
        var limits = Limits(session, options);
        throttle = new TransferThrottle(limits, session.Time);
        batchWriter = new BatchWriter(session.Target, session.Definition.Target.Table, throttle, Metrics, session.Retry, session.Time);
        writer = new WindowWriter(batchWriter, limits.Writers, options.SetAside);
        items = new ItemReader(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
        cascades = new CascadeFollower(tables.Cascades, new ChildFinder(items), options.SetAside);
        streamOptions = new BinlogConnectionOptions { BaseDirectory = session.Source.BaseDirectory, HeartbeatPeriod = HeartbeatPeriod };
        // A second reader is a replica of its own.
        aheadOptions = new BinlogConnectionOptions { BaseDirectory = session.Source.BaseDirectory, HeartbeatPeriod = HeartbeatPeriod };
        meter = new SyncMeter(session.Time);
        ledger = new SyncLedger(session, lease, first, snapshotEnd, meter);
    }

    public TransferMetrics Metrics { get; } = new();

    public RowCounts Counts { get; } = new();

    public long Transactions => meter.Transactions;

    public long ItemsPut => writer.Put;

    public long ItemsDeleted => writer.Deleted;

    public SourcePosition Position => ledger.Applied.Seen;

    public SyncState State => ledger.State;

    public TimeSpan? Lag => meter.Lag(idle);

    public ImmutableArray<SetAsideRow> Refused => ledger.Refused;

    ChangeWindow ICascadeWriter.Window => filling;

    /// <returns>True when the goal is reached, false when it was stopped before.</returns>
    public async Task<bool> RunAsync(CancellationToken stopReading, CancellationToken cancellationToken)
    {
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost);
        using var end = new CancellationTokenSource();
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(Measure()), token => ledger.SaveAsync(isLast: false, token), session.Time, abort, end.Token);
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
        await ledger.SaveLastAsync(failure is null, cancellationToken);
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

    public ValueTask DisposeAsync()
    {
        batchWriter.Dispose();
        writer.Dispose();
        filling.Dispose();
        other.Dispose();
        goal.Dispose();
        items.Dispose();
        ledger.Dispose();
        return ValueTask.CompletedTask;
    }

    async ValueTask ICascadeWriter.MakeRoomAsync(CancellationToken cancellationToken)
    {
        if (filling.IsFull)
        {
            await TurnAsync(cancellationToken);
        }
    }

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await TurnAsync(cancellationToken);
        await writing;
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
        var applied = ledger.Applied;
        tracker = new StreamTracker(applied.Restart, session.Source.Server.Identity);
        var connection = await BinlogConnection.OpenAsync(
            session.Source.Source, session.Source.Credential, BinlogStart.At(applied.Restart), streamOptions, session.Time, reading.Token);
        await using var decoder = new BinlogDecoder(connection);
        await using var lookups = tables.Lookups.IsEmpty ? null : new LookupFollower(session, tables, applied.Restart, aheadOptions, items, options.SetAside);
        using var following = new ChangeReader(tables, tracker, Counts, options.SetAside, applied.ReadOver, applied.Rows) { Window = filling, Lookups = lookups?.Values };
        reader = following;
        try
        {
            await PassSnapshotAsync(abort);
            while (await NextAsync(decoder, reading.Token, abort) is { } next)
            {
                reader.Accept(next);
                for (var state = reader.Read(); state != ReadState.Done; state = reader.Read())
                {
                    await (state switch
                    {
                        ReadState.Full => TurnAsync(abort),
                        ReadState.Lookup => lookups!.ResolveAsync(reader.Table!, this, abort),
                        _ => CascadeAsync(reader.Batch!, abort),
                    });
                }

                if (!reader.InTransaction && !filling.IsEmpty && writing.IsCompleted)
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
            await FlushAsync(abort);
            throw;
        }
    }

    /// <summary>Ends a window between two transactions.</summary>
    private async ValueTask CloseAsync(CancellationToken abort)
    {
        await TurnAsync(abort);
        if (!ledger.PassedSnapshot)
        {
            await writing;
            await PassSnapshotAsync(abort);
        }
    }

    /// <summary>Does once what is due when the stream has passed the snapshot's end; all that was read is written.</summary>
    private async Task PassSnapshotAsync(CancellationToken abort)
    {
        if (!ledger.IsPassingSnapshot)
        {
            return;
        }

        if (ledger.HasOrphans)
        {
            await new OrphanCheck(tables.Model, tables.Cascades, items, options.SetAside).RunAsync(this, abort);
        }

        await ledger.PassSnapshotAsync(abort);
    }

    /// <summary>
    /// Follows foreign keys that the binlog does not. Nothing is under way meanwhile, and the checkpoint stands right in front of the batch, then right behind it: its children
    /// are looked for in exactly the same table when this is repeated after a crash.
    /// </summary>
    private async ValueTask CascadeAsync(CascadeBatch batch, CancellationToken abort)
    {
        await FlushAsync(abort);
        await PassSnapshotAsync(abort);
        if (!ledger.PassedSnapshot && tables.Cascades.BreaksApart(batch.Parent))
        {
            throw SyncErrors.CascadeApart(batch.Parent.Table.Name, tracker!.Now().Seen.ToString());
        }

        if (!ledger.PassedSnapshot && batch.Deletes && tables.Cascades.LeavesOrphans(batch.Parent))
        {
            await ledger.ExpectOrphansAsync(abort);
        }

        var before = ledger.MustSave;
        ledger.StandAt(batch.RowsBefore);
        await cascades.RunAsync(batch, exact: ledger.PassedSnapshot, this, abort);
        if (ledger.MustSave && !before)
        {
            // There were no children: nothing is written yet that could be found again.
            ledger.Pass();
        }

        filling.Take(batch.Own);
        await FlushAsync(abort);
        ledger.StandAt(batch.RowsAfter);
        reader!.CascadesFollowed();
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
        if (filling.Count > 0 && ledger.MustSave)
        {
            await ledger.SaveAsync(isLast: false, abort);
        }

        var window = filling;
        window.End = window.HasEnd ? tracker!.Now() with { Rows = reader!.RowsApplied } : null;
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
        ledger.Written(window);
        retry.Succeeded();
        window.Clear();
        return Task.CompletedTask;
    }

    private ValueTask<bool> IsReachedAsync(CancellationToken cancellationToken) =>
        goal.IsReachedAsync(ledger.Applied, ledger.State == SyncState.Consistent, meter.CommittedAt, cancellationToken);

    private SyncProgress Measure() => new()
    {
        Transactions = meter.Transactions,
        Rows = meter.Rows,
        Items = writer.Put + writer.Deleted,
        RowsPerSecond = meter.RowsPerSecond(),
        Position = Position,
        Lag = Lag,
        State = State,
        Elapsed = meter.Elapsed,
        Waiting = retry.IsWaiting ? "the source does not answer: trying again" : throttle.State.ToString(),
    };
}
