using System.Management.Automation;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Closes the connections of a migration.</summary>
[Cmdlet(VerbsCommunications.Disconnect, "BillingMigration")]
public sealed class DisconnectBillingMigrationCommand : SessionCmdlet
{
    private protected override void Process(MigrationSession session)
    {
        Sessions.Close(session);
        Run(async _ =>
        {
            await session.DisposeAsync();
            return true;
        });
    }
}
