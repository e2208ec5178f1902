using System.Collections;
using BillingMigration.Control;

namespace BillingMigration.Rotation;

/// <summary>How far a rotation is, counted by the readers of a pass. Thread-safe.</summary>
internal sealed class RotationState(RotationCheckpoint begun, TimeProvider time)
{
    private readonly object gate = new();
    private RotationCheckpoint now = begun;

    public int Segments => now.Segments.Length;

    /// <summary>As it is to be saved.</summary>
    public RotationCheckpoint Checkpoint
    {
        get
        {
            lock (gate)
            {
                return now with { Segments = new BitArray(now.Segments), SavedAt = time.GetUtcNow() };
            }
        }
    }

    public IReadOnlyList<int> SegmentsLeft()
    {
        lock (gate)
        {
            return [.. Enumerable.Range(0, now.Segments.Length).Where(i => !now.Segments[i])];
        }
    }

    public void SegmentIsRead(int segment)
    {
        lock (gate)
        {
            now.Segments[segment] = true;
        }
    }

    public void Count(bool isFound, int unreadable)
    {
        if (isFound || unreadable > 0)
        {
            lock (gate)
            {
                now = now with { Found = now.Found + (isFound ? 1 : 0), Unreadable = now.Unreadable + unreadable };
            }
        }
    }

    public void CountRewritten()
    {
        lock (gate)
        {
            now = now with { Rewritten = now.Rewritten + 1 };
        }
    }

    public void BeginPass()
    {
        lock (gate)
        {
            now = RotationCheckpoint.Begin(now.Number, now.Pass + 1, now.Segments.Length, time.GetUtcNow()) with { Rewritten = now.Rewritten };
        }
    }

    public void Complete()
    {
        lock (gate)
        {
            now = now with { IsComplete = true };
        }
    }
}
