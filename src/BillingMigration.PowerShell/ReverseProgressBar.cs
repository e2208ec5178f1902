using System.Management.Automation;
using BillingMigration.Reverse;

namespace BillingMigration.PowerShell;

/// <summary>Shows the way back in one bar, which has no end to come nearer to.</summary>
internal sealed class ReverseProgressBar(string activity, Action<ProgressRecord> show, Action<string> warn)
{
    private const int Id = 7412;

    private readonly HashSet<string> waits = [];

    public void Show(ReverseProgress progress)
    {
        if (progress.Waiting is { } reason && waits.Add(reason))
        {
            warn($"The way back waits: {reason}");
        }

        var lag = progress.Lag is not { } behind ? "nothing to write" : behind == TimeSpan.MaxValue ? "beginning" : $"{PlanText.Duration(behind)} behind";
        show(new ProgressRecord(Id, activity, $"{PlanText.Number(progress.Items)} items looked at, {PlanText.Number(progress.Rows)} rows written, {progress.Shards} shards, {lag}"));
    }

    public void Clear() => show(new ProgressRecord(Id, activity, "ended") { RecordType = ProgressRecordType.Completed });
}
