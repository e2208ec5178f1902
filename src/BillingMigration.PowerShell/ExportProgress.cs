using System.Management.Automation;
using BillingMigration.Snapshot;

namespace BillingMigration.PowerShell;

/// <summary>Shows a running export: one bar for the whole, one for each entity under way.</summary>
internal sealed class ExportProgress(string activity, Action<ProgressRecord> show, Action<string> warn)
{
    private const int OverallId = 7310;

    private readonly HashSet<string> finished = [];
    private readonly Dictionary<string, int> ids = [];
    private readonly HashSet<string> waits = [];

    public void Show(SnapshotProgress progress)
    {
        // Once for each reason: an export at its limit waits many times a second.
        if (progress.Waiting is { } reason && waits.Add(reason))
        {
            warn($"The export waits: {reason}");
        }

        var left = progress.EstimatedRows - progress.Items;
        show(new ProgressRecord(OverallId, activity, Overall(progress))
        {
            PercentComplete = Percent(progress.Items, progress.EstimatedRows),
            SecondsRemaining = progress.ItemsPerSecond > 0 && left > 0 ? (int)Math.Min(left / progress.ItemsPerSecond, int.MaxValue) : -1,
        });
        foreach (var entity in progress.Entities)
        {
            Show(entity);
        }
    }

    /// <summary>Completes every bar, with the true numbers.</summary>
    public void Finish(SnapshotResult result)
    {
        foreach (var entity in result.Entities)
        {
            Show(new EntityProgress(entity.Entity, entity.Items, entity.Items, entity.RangesDone, entity.Ranges));
        }

        show(new ProgressRecord(
            OverallId,
            activity,
            $"{PlanText.Number(result.Items)} items in {PlanText.Duration(result.Duration)}, {PlanText.Number(result.ItemsPerSecond)}/s, {result.Outcome}")
        {
            PercentComplete = result.Outcome == SnapshotOutcome.Stopped ? -1 : 100,
            RecordType = ProgressRecordType.Completed,
        });
    }

    /// <summary>Takes the bars away after an error.</summary>
    public void Clear() => show(new ProgressRecord(OverallId, activity, "ended by an error") { RecordType = ProgressRecordType.Completed });

    private static string Overall(SnapshotProgress progress)
    {
        var text = $"{PlanText.Number(progress.Items)} of ~{PlanText.Number(progress.EstimatedRows)}, "
            + $"{PlanText.Number(progress.ItemsPerSecond)}/s, {PlanText.Size(progress.BytesPerSecond)}/s";
        return progress.ThrottledRequests == 0 ? text : $"{text}, {PlanText.Number(progress.ThrottledRequests)} throttled";
    }

    private static int Percent(long done, long all) => all <= 0 ? -1 : (int)Math.Clamp(done * 100 / all, 0, 100);

    private void Show(EntityProgress entity)
    {
        var done = entity.Ranges > 0 && entity.RangesDone == entity.Ranges;
        if ((!done && entity.Items == 0) || finished.Contains(entity.Entity))
        {
            return;
        }

        if (!ids.TryGetValue(entity.Entity, out var id))
        {
            ids.Add(entity.Entity, id = OverallId + 1 + ids.Count);
        }

        show(new ProgressRecord(id, entity.Entity, $"{PlanText.Number(entity.Items)} items, {entity.RangesDone} of {entity.Ranges} ranges")
        {
            ParentActivityId = OverallId,
            PercentComplete = done ? 100 : Percent(entity.Items, entity.EstimatedRows),
            RecordType = done ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        });
        if (done)
        {
            finished.Add(entity.Entity);
        }
    }
}
