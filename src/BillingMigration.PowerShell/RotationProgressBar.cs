using System.Management.Automation;
using BillingMigration.Rotation;

namespace BillingMigration.PowerShell;

/// <summary>Shows the passes of a rotation of the data key, one after the other, in one bar.</summary>
internal sealed class RotationProgressBar(string activity, Action<ProgressRecord> show)
{
    private const int Id = 7414;

    public void Show(RotationProgress progress)
    {
        var waiting = progress.Waiting is { } reason ? $", waits {reason}" : "";
        show(new ProgressRecord(
            Id, activity,
            $"pass {progress.Pass}, {PlanText.Number(progress.Items)} items read, "
            + $"{PlanText.Number(progress.Rewritten)} rewritten with key {progress.Number}{waiting}")
        {
            PercentComplete = progress.Segments == 0 ? 0 : progress.SegmentsDone * 100 / progress.Segments,
        });
    }

    public void Clear() => show(new ProgressRecord(Id, activity, "ended") { RecordType = ProgressRecordType.Completed });
}
