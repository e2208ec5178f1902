using System.Management.Automation;
using BillingMigration.Integrity;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Makes the items of differences what their rows say.</summary>
[Cmdlet(VerbsDiagnostic.Repair, "BillingItem", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(RepairedItem))]
public sealed class RepairBillingItemCommand : SessionCmdlet
{
    private readonly Dictionary<MigrationSession, ItemRepairer> repairers = [];

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Differences")]
    [ValidateNotNull]
    public ItemDifference[] Difference { get; set; } = [];

    [Parameter]
    public SwitchParameter AllowDelete { get; set; }

    private protected override bool IsOfThisObject(MigrationException error) => IsOfARow(error);

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
            if (ErrorOf(repaired.Outcome) is var (id, kind))
            {
                WriteError(Errors.ToRecord(new MigrationException(id, kind, $"{name} {difference.Key}: {repaired.Reason}", repaired)));
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

    private static (string Id, MigrationErrorKind Kind)? ErrorOf(RepairOutcome outcome) => outcome switch
    {
        RepairOutcome.ChangedSince => ("ItemChangedSince", MigrationErrorKind.Busy),
        RepairOutcome.RowRefused => ("RowsRefused", MigrationErrorKind.DataRefused),
        RepairOutcome.DeleteNotAllowed => ("DeleteNotAllowed", MigrationErrorKind.PermissionDenied),
        RepairOutcome.NotOfTheMigration => ("NotOfTheMigration", MigrationErrorKind.PermissionDenied),
        _ => null,
    };

    private async Task<ItemRepairer> RepairerAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        if (!repairers.TryGetValue(session, out var repairer))
        {
            repairers[session] = repairer = await ItemRepairer.OpenAsync(session, AllowDelete, cancellationToken);
        }

        return repairer;
    }
}
