using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Source;

namespace BillingMigration.Sync;

/// <summary>What is written, and what of that is saved as the checkpoint. Thread-safe; checkpoints are saved one after the other.</summary>
internal sealed class SyncLedger : IDisposable
{
    private static readonly TimeSpan LastCheckpointTimeout = TimeSpan.FromMilliseconds(600);

    private readonly MigrationSession session;
    private readonly Lease lease;
    private readonly SyncCheckpoint first;
    private readonly SyncMeter meter;
    private readonly object guard = new();
    private readonly SemaphoreSlim saving = new(1);
    private readonly List<SetAsideRow> unsaved = [];
    private readonly List<SetAsideRow> refused = [];
    private readonly SourcePosition snapshotEnd;
    private StreamPoint applied;
    private StreamPoint? saved;
    private SourcePosition? horizon;
    private bool passedSnapshot;
    private bool hasOrphans;
    private long changes;
    private long needed;
    private long kept;

    /// <param name="snapshotEnd">What the snapshot read is not newer than this.</param>
    public SyncLedger(MigrationSession session, Lease lease, SyncCheckpoint first, SourcePosition snapshotEnd, SyncMeter meter)
    {
        this.session = session;
        this.lease = lease;
        this.first = first;
        this.snapshotEnd = snapshotEnd;
        this.meter = meter;
        applied = new StreamPoint(first.Seen ?? first.Position, first.Position, first.RowsWritten);
        horizon = first.Horizon;
        (passedSnapshot, hasOrphans) = (first.PassedSnapshot, first.HasOrphans);
    }

    /// <summary>Everything before it is written.</summary>
    public StreamPoint Applied
    {
        get
        {
            lock (guard)
            {
                return applied;
            }
        }
    }

    public SyncState State
    {
        get
        {
            lock (guard)
            {
                return StateNow;
            }
        }
    }

    public bool PassedSnapshot => passedSnapshot;

    public bool HasOrphans => hasOrphans;

    /// <summary>True when the stream has passed the snapshot's end, and what that left behind is still to be looked for.</summary>
    public bool IsPassingSnapshot => !passedSnapshot && Applied.HasReached(snapshotEnd);

    /// <summary>Nothing more may be written before the checkpoint is saved.</summary>
    public bool MustSave
    {
        get
        {
            lock (guard)
            {
                return needed > kept;
            }
        }
    }

    public ImmutableArray<SetAsideRow> Refused => [.. refused];

    private SyncState StateNow => horizon is null && passedSnapshot ? SyncState.Consistent : SyncState.Converging;

    /// <summary>A window is in the table.</summary>
    public void Written(ChangeWindow window)
    {
        lock (guard)
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
    }

    /// <summary>Stands in the middle of a transaction, where its cascades are followed: a run that is broken off goes on from exactly here.</summary>
    /// <param name="rows">Rows of the transaction that are written.</param>
    public void StandAt(long rows)
    {
        lock (guard)
        {
            applied = applied with { Rows = rows };
            needed = ++changes;
        }
    }

    /// <summary>Nothing was written since the place that <see cref="StandAt"/> named: it need not be saved.</summary>
    public void Pass()
    {
        lock (guard)
        {
            needed = kept;
        }
    }

    /// <summary>Cascades in front of the snapshot's end may leave rows without their parents.</summary>
    public Task ExpectOrphansAsync(CancellationToken cancellationToken)
    {
        lock (guard)
        {
            if (hasOrphans)
            {
                return Task.CompletedTask;
            }

            hasOrphans = true;
            needed = ++changes;
        }

        return SaveAsync(isLast: false, cancellationToken);
    }

    /// <summary>From here on the table is the source as it was at each place of the stream.</summary>
    public Task PassSnapshotAsync(CancellationToken cancellationToken)
    {
        lock (guard)
        {
            (passedSnapshot, hasOrphans) = (true, false);
            needed = ++changes;
        }

        return SaveAsync(isLast: false, cancellationToken);
    }

    public async Task SaveAsync(bool isLast, CancellationToken cancellationToken)
    {
        await saving.WaitAsync(cancellationToken);
        try
        {
            StreamPoint point;
            long now;
            SyncCheckpoint checkpoint;
            ImmutableArray<SetAsideRow> rows;
            lock (guard)
            {
                if (applied == saved && unsaved.Count == 0 && !isLast && needed <= kept)
                {
                    return;
                }

                (point, now) = (applied, changes);
                rows = [.. unsaved];
                checkpoint = Checkpoint(isLast);
            }

            await session.Control.SaveSyncAsync(lease, checkpoint, rows, cancellationToken);
            lock (guard)
            {
                (saved, kept) = (point, now);
                unsaved.RemoveRange(0, rows.Length);
            }
        }
        finally
        {
            saving.Release();
        }
    }

    /// <summary>The checkpoint of a run's end: in full when it is completed, as far as a moment allows when it was broken off.</summary>
    public async Task SaveLastAsync(bool completed, CancellationToken cancellationToken)
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

    public void Dispose() => saving.Dispose();

    private SyncCheckpoint Checkpoint(bool isLast) => first with
    {
        Position = applied.Restart,
        Seen = applied.ReadOver,
        RowsWritten = applied.Rows,
        PassedSnapshot = passedSnapshot,
        HasOrphans = hasOrphans,
        State = StateNow,
        Horizon = horizon,
        IsLast = isLast,
        Transactions = first.Transactions + meter.Transactions,
        Rows = first.Rows + meter.Rows,
        CommittedAt = meter.CommittedAt ?? first.CommittedAt,
        SavedAt = session.Time.GetUtcNow(),
    };
}
