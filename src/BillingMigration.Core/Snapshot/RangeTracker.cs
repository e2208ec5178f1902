using System.Collections.Immutable;
using BillingMigration.Control;

namespace BillingMigration.Snapshot;

/// <summary>
/// Follows one range from reading to written. Batches are written in any order; the cursor moves only over an unbroken run of written
/// batches, so that a checkpoint never covers a row that is not in the table. Thread-safe.
/// </summary>
internal sealed class RangeTracker : IDisposable
{
    /// <summary>Batches of one range that may be under way: a stuck one must not let the others pile up behind it.</summary>
    private const int MaxOpenPortions = 256;

    /// <summary>Batches of one range that the table throttles at the same time; its reader waits for them, and only it.</summary>
    private const int MaxHeldBack = 8;

    private readonly object gate = new();
    private readonly Queue<Portion> open = new();
    private readonly SemaphoreSlim room = new(MaxOpenPortions, MaxOpenPortions);
    private readonly bool keepsRefused;
    private List<SetAsideRow> setAside = [];
    private SnapshotRange written;
    private bool readToEnd;
    private TaskCompletionSource? resumption;
    private int heldBack;
    private bool dirty;

    /// <param name="range">The range as the last checkpoint left it; <see cref="MustBeginAnew"/> has been seen to.</param>
    /// <param name="keepsRefused">True when refused rows are set aside and the range may be done without them.</param>
    public RangeTracker(SnapshotRange range, bool keepsRefused)
    {
        this.keepsRefused = keepsRefused;
        Start = range;
        written = range;
    }

    /// <summary>A run of rows read one after the other: at most one batch of items, and the rows among them that were refused.</summary>
    public sealed class Portion
    {
        public required ImmutableArray<string> LastKey { get; init; }

        public required int Rows { get; init; }

        public required int Items { get; init; }

        public required int Bytes { get; init; }

        public required IReadOnlyList<SetAsideRow> Refused { get; init; }

        internal IReadOnlyList<SetAsideRow> Rejected { get; set; } = [];

        internal bool Written { get; set; }
    }

    /// <summary>True for a range that was read to its end and left because of refused rows: it is read again as if it were new.</summary>
    public static bool MustBeginAnew(SnapshotRange range) => range is { Done: false, Cursor: null, SetAside: > 0 };

    public SnapshotRange Start { get; }

    /// <summary>The range as far as everything in it is written.</summary>
    public SnapshotRange Written
    {
        get
        {
            lock (gate)
            {
                return written;
            }
        }
    }

    public async ValueTask OpenAsync(Portion portion, CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref resumption) is { } held)
        {
            await held.Task.WaitAsync(cancellationToken);
        }

        await room.WaitAsync(cancellationToken);
        lock (gate)
        {
            open.Enqueue(portion);
        }
    }

    /// <param name="rejected">Items of the portion that the table refused.</param>
    public void Close(Portion portion, IReadOnlyList<SetAsideRow> rejected)
    {
        lock (gate)
        {
            portion.Rejected = rejected;
            portion.Written = true;
            while (open.TryPeek(out var first) && first.Written)
            {
                open.Dequeue();
                room.Release();

                // Only with the cursor that covers them, so that the rows listed are those counted.
                setAside.AddRange(first.Refused);
                setAside.AddRange(first.Rejected);
                written = written with
                {
                    Cursor = first.LastKey,
                    Rows = written.Rows + first.Rows,
                    Items = written.Items + first.Items - first.Rejected.Count,
                    Bytes = written.Bytes + first.Bytes,
                    SetAside = written.SetAside + first.Refused.Count + first.Rejected.Count,
                };
            }

            dirty = true;
            FinishIfDrained();
        }
    }

    /// <summary>A batch of this range is throttled; ends with <see cref="GoOn"/>.</summary>
    public void HoldBack()
    {
        lock (gate)
        {
            if (++heldBack >= MaxHeldBack)
            {
                resumption ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    public void GoOn()
    {
        lock (gate)
        {
            if (--heldBack < MaxHeldBack)
            {
                resumption?.SetResult();
                resumption = null;
            }
        }
    }

    /// <summary>The reader has seen the range's last row.</summary>
    public void EndOfRange()
    {
        lock (gate)
        {
            readToEnd = true;
            dirty = true;
            FinishIfDrained();
        }
    }

    /// <summary>What the next checkpoint must hold; null when nothing has moved since the last one.</summary>
    public (SnapshotRange Range, ImmutableArray<SetAsideRow> SetAside)? TakeCheckpoint()
    {
        lock (gate)
        {
            if (!dirty)
            {
                return null;
            }

            dirty = false;
            var rows = setAside;
            setAside = [];
            return (written, [.. rows]);
        }
    }

    /// <summary>The checkpoint could not be saved: its rows belong to the next one.</summary>
    public void ReturnCheckpoint(ImmutableArray<SetAsideRow> rows)
    {
        lock (gate)
        {
            setAside.InsertRange(0, rows);
            dirty = true;
        }
    }

    public void Dispose() => room.Dispose();

    // A range with refused rows is read again by the next run, unless the operator has set such rows aside.
    private void FinishIfDrained()
    {
        if (readToEnd && open.Count == 0)
        {
            written = written.SetAside > 0 && !keepsRefused ? written with { Cursor = null } : written with { Done = true };
        }
    }
}
