using System.Collections.Immutable;
using BillingMigration.Transfer;

namespace BillingMigration.Snapshot;

/// <summary>Turns the counters of a running export into <see cref="SnapshotProgress"/>: totals, and the rate of the last few seconds.</summary>
internal sealed class ExportMeter(SnapshotScope scope, TransferThrottle throttle, TransferMetrics metrics, Func<string?> sourceWaiting, TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(5);

    private readonly long started = time.GetTimestamp();
    private readonly Queue<(long At, long Items, long Bytes)> samples = new();

    public SnapshotProgress Measure(IReadOnlyCollection<RangeTracker> trackers, IReadOnlyCollection<Control.SnapshotRange> otherRanges)
    {
        var now = time.GetTimestamp();
        samples.Enqueue((now, metrics.Items, metrics.Bytes));
        while (samples.Count > 2 && time.GetElapsedTime(samples.Peek().At, now) > Window)
        {
            samples.Dequeue();
        }

        var oldest = samples.Peek();
        var seconds = time.GetElapsedTime(oldest.At, now).TotalSeconds;
        var ranges = trackers.Select(t => t.Written).Concat(otherRanges).ToLookup(r => r.Entity);
        return new SnapshotProgress
        {
            Entities = [.. scope.Chosen.Select(entity => new EntityProgress(
                entity.Entity, ranges[entity.Entity].Sum(r => r.Items), entity.Table.EstimatedRows, ranges[entity.Entity].Count(r => r.Done), ranges[entity.Entity].Count()))],
            ItemsPerSecond = seconds > 0 ? (metrics.Items - oldest.Items) / seconds : 0,
            BytesPerSecond = seconds > 0 ? (metrics.Bytes - oldest.Bytes) / seconds : 0,
            ThrottledRequests = metrics.Throttled,
            Elapsed = time.GetElapsedTime(started, now),
            Waiting = sourceWaiting() ?? throttle.State.ToString(),
        };
    }
}
