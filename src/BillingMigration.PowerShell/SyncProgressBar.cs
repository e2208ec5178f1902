using System.Management.Automation;
using BillingMigration.Sync;

namespace BillingMigration.PowerShell;

/// <summary>Shows a running sync in one bar, which has no end to come nearer to.</summary>
internal sealed class SyncProgressBar(string activity, Action<ProgressRecord> show, Action<string> warn)
{
    private const int Id = 7410;

    private readonly HashSet<string> waits = [];

    public void Show(SyncProgress progress)
    {
        // Once for each reason: a sync at its limit waits many times a second.
        if (progress.Waiting is { } reason && waits.Add(reason))
        {
            warn($"The sync waits: {reason}");
        }

        var lag = progress.Lag is { } behind ? $"{PlanText.Duration(behind)} behind" : "nothing to write";
        show(new ProgressRecord(
            Id, activity,
            $"{PlanText.Number(progress.Transactions)} transactions, {PlanText.Number(progress.Rows)} rows, {PlanText.Number(progress.RowsPerSecond)}/s, {lag}, {progress.State}"));
    }

    public void Finish(SyncResult result) => show(new ProgressRecord(
        Id, activity, $"{PlanText.Number(result.Transactions)} transactions in {PlanText.Duration(result.Duration)}, {result.Outcome}, {result.State}")
    {
        PercentComplete = result.Outcome == SyncOutcome.Stopped ? -1 : 100,
        RecordType = ProgressRecordType.Completed,
    });

    /// <summary>Takes the bar away after an error.</summary>
    public void Clear() => show(new ProgressRecord(Id, activity, "ended by an error") { RecordType = ProgressRecordType.Completed });
}
