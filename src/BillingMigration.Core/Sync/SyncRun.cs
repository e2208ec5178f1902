using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Sync;

/// <summary>
/// Changes of a snapshot under way: one window is filled from the stream while the one before it is written, and what that one does not tell is read again. A window begins to be written
/// when the one before it is through, so a change never overtakes another of its key.
/// </summary>
internal sealed class SyncRun : IAsyncDisposable
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
    private readonly SyncMeter meter;
    private readonly SyncLedger ledger;
    private readonly ItemReader items;
    private readonly SourceLookup rows;
    private readonly ChildFollower children;
    private readonly WholeComparison comparison;
    private ChangeWindow filling = new();
    private ChangeWindow other = new();
    private Task writing = Task.CompletedTask;
    private volatile bool idle;
    private bool hasAsked;
    private Stream? stream;

    public SyncRun(MigrationSession session, SyncOptions options, SyncCheckpoint first, BoundTables tables, SourcePosition boundAt, IEnumerable<string> setAside, Lease lease, IProgress<SyncProgress> progress)
    {
        this.session = session;
        this.options = options;
        this.tables = tables;
        this.lease = lease;
        this.progress = progress;
        goal = new SyncGoal(session, options.Until);
        var patience = options.Follow ? TimeSpan.MaxValue : session.Retry.GiveUpAfter;
        retry = new SourceRetry(session.Source, patience, session.Time);
        var limits = Limits(session, options);
        throttle = new TransferThrottle(limits, session.Time);
        batchWriter = new BatchWriter(session.Target, session.Definition.Target.Table, throttle, Metrics, session.Retry, session.Time, lease.WaitHeldAsync, limits.Writers);
        writer = new WindowWriter(batchWriter, limits.Writers, options.SetAside);
        items = new ItemReader(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
        rows = new SourceLookup(session, tables.Model.All, patience);
        streamOptions = new BinlogConnectionOptions { BaseDirectory = session.Source.BaseDirectory, HeartbeatPeriod = HeartbeatPeriod };
        meter = new SyncMeter(session.Time);
        ledger = new SyncLedger(session, lease, first, boundAt, tables.Model, setAside, meter);
        children = new ChildFollower(tables.Model, new ChildFinder(tables.Model, items), rows, writer, ledger, options.SetAside);
        comparison = new WholeComparison(session, tables.Model, ledger, children, rows);
    }

    /// <summary>The stream of one connection.</summary>
    private sealed record Stream(StreamTracker Tracker, TransactionReader Reader, ChangeBuilder Builder, ParentValues Parents);

    public TransferMetrics Metrics { get; } = new();

    public RowCounts Counts { get; } = new();

    public long Transactions => meter.Transactions;

    public long ItemsPut => writer.Put;

    public long ItemsDeleted => writer.Deleted;

    public SourcePosition Position => ledger.Applied.Seen;

    public SyncState State => ledger.State;

    public TimeSpan? Lag => meter.Lag(idle);

    public ImmutableArray<UntoldChange> Untold => ledger.Untold;

    public ImmutableArray<SetAsideRow> Refused => ledger.Refused;

    /// <returns>True when the goal is reached, false when it was stopped before.</returns>
    public async Task<bool> RunAsync(CancellationToken stopReading, CancellationToken cancellationToken)
    {
        using var lastWrites = new LastWrites(session.Time, stopReading);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost, lastWrites.Over);
        using var end = new CancellationTokenSource();
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(Measure()), ledger.GoOnAsync, session.Time, abort, end.Token);
        Exception? failure = null;
        var (reached, isBrokenOff) = (false, false);
        try
        {
            await ledger.GoOnAsync(abort.Token);
            reached = await FollowAsync(stopReading, abort.Token);

            // The goal may be reached while later changes are under way: nothing of this run may arrive after its end.
            await writing;
        }
        catch (Exception e)
        {
            isBrokenOff = lastWrites.Ended(e, cancellationToken, lease.Lost);
            failure = isBrokenOff ? null : e;
            reached &= !isBrokenOff;
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await comparison.StopAsync();
        await end.CancelAsync();
        await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ledger.SaveLastAsync(failure is null && !isBrokenOff, cancellationToken);
        if (!isBrokenOff && reporting.IsFaulted && failure is null or OperationCanceledException)
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
        await comparison.DisposeAsync();
        batchWriter.Dispose();
        writer.Dispose();
        filling.Dispose();
        other.Dispose();
        children.Dispose();
        goal.Dispose();
        items.Dispose();
        ledger.Dispose();
        await rows.DisposeAsync();
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
            catch (MigrationException e) when (e.ErrorId is "BinlogReadFailed" or "BinlogPurged" or "BinlogDiverged")
            {
                await SourceChange.EnsureSameHistoryAsync(session, ledger.Applied.Restart, abort);
                throw;
            }
            catch (Exception e) when (!abort.IsCancellationRequested && e is not MigrationException { Kind: not MigrationErrorKind.Unreachable } && SourceErrors.IsTransient(e) && IsSourceTrouble(writing))
            {
                // What is read and not yet written comes again.
                await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (writing.IsFaulted)
                {
                    // Some of it is in the table, ahead of what is written as a whole.
                    ledger.ReadAhead(stream!.Reader.ReadUpTo);
                    writing = Task.CompletedTask;
                }

                filling.Clear();
                other.Clear();
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

    /// <summary>True when a write has not failed, or only because the source could not be asked.</summary>
    private static bool IsSourceTrouble(Task writing) => writing is not { IsFaulted: true } || (writing.Exception.InnerException is { } e && e is not MigrationException && SourceErrors.IsTransient(e));

    private async Task<bool> FollowOnceAsync(CancellationTokenSource reading, CancellationToken stopReading, CancellationToken abort)
    {
        await SourceChange.CheckAsync(session, tables.Model, ledger, reading.Token);
        var applied = ledger.Applied;
        if (applied.Restart != applied.Seen)
        {
            // What comes a second time takes items back to what they were then.
            ledger.ReadAhead(applied.Seen);
        }

        var connection = await BinlogConnection.OpenAsync(
            session.Source.Source, session.Source.Credential, BinlogStart.At(applied.Restart), streamOptions, session.Time, reading.Token);
        await using var decoder = new BinlogDecoder(connection);
        SourceChange.EnsureSame(session.Source, connection.ServerIdentity);
        var tracker = new StreamTracker(applied.Restart, connection.ServerIdentity);
        var parents = new ParentValues(tables.Model, rows);
        var (reader, builder) = (new TransactionReader(tables, tracker, ledger.BeginsAnew), new ChangeBuilder(tables.Model, parents, Counts, options.SetAside));
        stream = new Stream(tracker, reader, builder, parents);
        var change = new RowChange();
        try
        {
            while (await NextAsync(decoder, reading.Token, abort) is { } next)
            {
                reader.Accept(next);
                while (reader.TryRead(change))
                {
                    if (filling.IsFull)
                    {
                        await TurnAsync(abort);
                    }

                    while (!builder.TryTake(change, filling))
                    {
                        await AskParentsAsync(reading.Token);
                    }
                }

                if (End(reader) && !filling.IsEmpty && writing.IsCompleted)
                {
                    await TurnAsync(abort);
                    if (await IsReachedAsync(abort))
                    {
                        return true;
                    }
                }
            }

            return true;
        }
        catch (Exception e) when ((e is MigrationException || stopReading.IsCancellationRequested) && !abort.IsCancellationRequested && !reader.HasShownPart && !writing.IsFaulted)
        {
            // Whole transactions that were read before the end are written.
            await TurnAsync(abort);
            await writing;
            throw;
        }
    }

    /// <returns>True between two transactions.</returns>
    private bool End(TransactionReader reader)
    {
        var step = reader.End(out var committedAt);
        if (step == StreamStep.Transaction)
        {
            filling.Transactions++;
            filling.CommittedAt = Math.Max(filling.CommittedAt, committedAt);
            if (reader.TakeUntold() is { Count: > 0 } untold)
            {
                // Compared when what stands before it is written: else that would be written over what a comparison has already seen.
                stream!.Parents.Forget();
                filling.Untold.AddRange(untold);
            }
        }

        filling.HasEnd |= step != StreamStep.Within;
        return !reader.InTransaction;
    }

    /// <summary>Asks for what keys are made of beside their own row: it may be newer than the stream, which is noted before any of it is written.</summary>
    private async Task AskParentsAsync(CancellationToken cancellationToken)
    {
        await rows.SeeAsync(stream!.Reader.ReadUpTo, cancellationToken);
        await stream.Parents.AskAsync(cancellationToken);
        hasAsked = true;
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
            while (!read.IsCompleted && !stream!.Reader.InTransaction)
            {
                await Task.WhenAny(read, writing);
                if (!filling.IsEmpty)
                {
                    if (writing.IsCompleted)
                    {
                        await TurnAsync(abort);
                    }

                    continue;
                }

                if (read.IsCompleted)
                {
                    break;
                }

                await writing;
                await SettleAsync(all: true, abort);
                idle = true;
                if (await IsReachedAsync(abort))
                {
                    return null;
                }

                var pause = Task.Delay(CheckpointTimer.ReportInterval, session.Time, abort);
                await (goal.Told is { } told ? Task.WhenAny(read, pause, told) : Task.WhenAny(read, pause));
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
        await SettleAsync(all: false, abort);
        if (hasAsked)
        {
            ledger.ReadAhead(await rows.PositionAsync(abort));
            hasAsked = false;
        }

        var window = filling;
        var (tracker, reader) = (stream!.Tracker, stream.Reader);
        window.End = window.HasEnd ? tracker.Now() : null;
        window.EndsWithin = reader.HasShownPart;
        window.ReadUpTo = window.HasSuspects ? reader.ReadUpTo : null;
        (filling, other) = (other, window);
        ledger.Begin(window);
        writing = window.Count == 0 && !window.HasSuspects ? Written(window) : WriteAsync(window, stream.Parents, abort);
    }

    /// <summary>Does what is due between two windows: looks again for children, takes what a comparison found.</summary>
    private async ValueTask SettleAsync(bool all, CancellationToken abort)
    {
        await children.LookAgainAsync(all, abort);
        await comparison.GoOnAsync(abort);
    }

    private async Task WriteAsync(ChangeWindow window, ParentValues parents, CancellationToken abort)
    {
        await writer.WriteAsync(window, abort);
        if (window.HasSuspects)
        {
            await children.FollowAsync(window, parents, abort);
        }

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
        goal.IsReachedAsync(ledger, meter.CommittedAt, cancellationToken);

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
        Waiting = lease.IsPaused ? Lease.PausedText : retry.IsWaiting ? "the source does not answer: trying again" : comparison.Waiting ?? throttle.State.ToString(),
    };
}
