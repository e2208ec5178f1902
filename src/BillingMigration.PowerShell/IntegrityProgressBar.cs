using System.Management.Automation;
using BillingMigration.Integrity;

namespace BillingMigration.PowerShell;

/// <summary>Shows a running comparison in one bar.</summary>
internal sealed class IntegrityProgressBar(string activity, Action<ProgressRecord> show, Action<string> warn)
{
    private const int Id = 7420;
    private const int AlmostDone = 99;

    private readonly HashSet<string> waits = [];

    public void Show(IntegrityProgress progress)
    {
        if (progress.Waiting is { } reason && waits.Add(reason))
        {
            warn($"The comparison waits: {reason}");
        }

        // Rows are estimated by the source's statistics: never at the end before it is there.
        var percent = progress.EstimatedRows == 0 ? -1 : (int)Math.Min(AlmostDone, 50.0 * (progress.Rows + progress.Items) / progress.EstimatedRows);
        show(new ProgressRecord(
            Id, activity,
            $"{progress.Doing}: {PlanText.Number(progress.Rows)} rows, {PlanText.Number(progress.Items)} items, {PlanText.Number(progress.Differences)} suspects")
        {
            PercentComplete = percent,
        });
    }

    public void Finish(IntegrityResult result) => show(new ProgressRecord(
        Id, activity, $"{result.Outcome} in {PlanText.Duration(result.Duration)}")
    {
        RecordType = ProgressRecordType.Completed,
    });

    /// <summary>Takes the bar away after an error.</summary>
    public void Clear() => show(new ProgressRecord(Id, activity, "ended by an error") { RecordType = ProgressRecordType.Completed });
}
