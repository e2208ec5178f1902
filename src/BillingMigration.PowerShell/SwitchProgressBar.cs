using System.Globalization;
using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>Shows the step of a switch, and how long calls have been waiting.</summary>
internal sealed class SwitchProgressBar(string activity, Action<ProgressRecord> show)
{
    private const int Id = 7413;

    public void Show(SwitchProgress progress) => show(new ProgressRecord(
        Id, activity, progress.Stall is { } stall ? string.Create(CultureInfo.InvariantCulture, $"{progress.Step}, calls wait since {stall.TotalSeconds:0.0} s") : progress.Step));

    public void Clear() => show(new ProgressRecord(Id, activity, "ended") { RecordType = ProgressRecordType.Completed });
}
