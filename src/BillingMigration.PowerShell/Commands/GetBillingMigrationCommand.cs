using System.Management.Automation;
using BillingMigration.Control;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Tells how far a migration is, from its control table: from any machine, also while a job runs elsewhere.</summary>
[Cmdlet(VerbsCommon.Get, "BillingMigration")]
[OutputType(typeof(MigrationState))]
public sealed class GetBillingMigrationCommand : SessionCmdlet
{
    [Parameter]
    public SwitchParameter CountItems { get; set; }

    private protected override void Process(MigrationSession session) =>
        WriteObject(ResultObject.Of(Run(token => MigrationState.ReadAsync(session, CountItems, token)), session));
}
