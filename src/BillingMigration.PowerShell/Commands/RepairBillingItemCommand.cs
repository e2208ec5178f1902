using System.Management.Automation;
using BillingMigration.Integrity;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Makes the items of differences what their rows say.</summary>
[Cmdlet(VerbsDiagnostic.Repair, "BillingItem", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepairedItem))]
public sealed class RepairBillingItemCommand : SessionCmdlet
{
    private readonly Dictionary<MigrationSession, ItemRepairer> repairers = [];

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Differences")]
    [ValidateNotNull]
    public ItemDifference[] Difference { get; set; } = [];

    private protected override void Process(MigrationSession session)
    {
        foreach (var difference in Difference)
        {
            var verb = difference.Kind == DifferenceKind.Extra ? "Delete the item" : "Copy the row again to the item";
            var name = $"{difference.Entity} {difference.PartitionKey} / {difference.SortKey}".Trim();
            if (!ShouldProcess($"{verb} {name} ({difference.Kind}) of table {session.Definition.Target.Table}.", $"{verb} {name}?", "Repair-BillingItem"))
            {
                continue;
            }

            var repaired = Run(async token => await (await RepairerAsync(session, token)).RepairAsync(difference, token));
            WriteObject(ResultObject.Of(repaired, session));
            if (repaired.Outcome is RepairOutcome.ChangedSince or RepairOutcome.RowRefused)
            {
                WriteError(Errors.ToRecord(new MigrationException(
                    repaired.Outcome == RepairOutcome.ChangedSince ? "ItemChangedSince" : "RowsRefused",
                    repaired.Outcome == RepairOutcome.ChangedSince ? MigrationErrorKind.Busy : MigrationErrorKind.DataRefused,
                    $"{name} {difference.Key}: {repaired.Reason}",
                    repaired)));
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var repairer in repairers.Values)
            {
                repairer.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }
        }

        base.Dispose(disposing);
    }

    private async Task<ItemRepairer> RepairerAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        if (!repairers.TryGetValue(session, out var repairer))
        {
            repairers[session] = repairer = await ItemRepairer.OpenAsync(session, cancellationToken);
        }

        return repairer;
    }
}
