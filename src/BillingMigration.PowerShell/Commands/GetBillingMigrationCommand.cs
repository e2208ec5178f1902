using System.Management.Automation;
using BillingMigration.Control;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Tells how far a migration is, from its control table: from any machine, also while a job runs elsewhere.</summary>
[Cmdlet(VerbsCommon.Get, "BillingMigration")]
[OutputType(typeof(MigrationState))]
public sealed class GetBillingMigrationCommand : SessionCmdlet
{
    [Parameter]
    public SwitchParameter CountItems { get; set; }

    private protected override void Process(MigrationSession session)
    {
        var state = Run(token => MigrationState.ReadAsync(session, CountItems, token));
        var to = state.Route.Backend == StoreBackend.MySql ? RouteState.DynamoDb : RouteState.MySql;
        var result = ResultObject.Of(state, session);
        result.Properties.Add(new PSNoteProperty("Gates", Run(token => new BackendSwitch(session, new SwitchOptions { To = to }).PlanAsync(token)).Gates));
        result.Properties.Add(new PSNoteProperty("UnitsSetAside", Run(token => SetAsideUnit.ListAsync(session, token)).ToArray()));
        WriteObject(result);
    }
}
