using System.Management.Automation;
using BillingMigration.Control;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Sends the applications to the table, or back to the source; run again, it finishes what was begun.</summary>
[Cmdlet(VerbsCommon.Switch, "BillingBackend", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(SwitchResult))]
public sealed class SwitchBillingBackendCommand : SessionCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateSet("MySql", "Shadow", "DynamoDB")]
    public string To { get; set; } = "";

    [Parameter]
    [ValidateNotNull]
    public string Reason { get; set; } = "";

    [Parameter]
    public SourceFence Fence { get; set; } = SourceFence.ReadOnly;

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] FenceAccount { get; set; } = [];

    [Parameter]
    public TimeSpan MaxStall { get; set; } = new SwitchOptions { To = default }.MaxStall;

    [Parameter]
    public TimeSpan MaxLag { get; set; } = new SwitchOptions { To = default }.MaxLag;

    [Parameter]
    public TimeSpan MaxVerdictAge { get; set; } = new SwitchOptions { To = default }.MaxVerdictAge;

    [Parameter]
    public TimeSpan? RouteLease { get; set; }

    [Parameter]
    [ValidateSet("Store", "Changes", "Integrity", "Rows", "Source", "WayBack")]
    public string[] Force { get; set; } = [];

    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? OnState { get; set; }

    private protected override string AfterStop => "The switch was stopped. Get-BillingMigration shows where the calls of applications go, and what finishes or undoes it.";

    private protected override void Process(MigrationSession session)
    {
        var backend = new BackendSwitch(session, Options());
        var definition = session.Definition;
        var plan = Run(backend.PlanAsync);
        if (!ShouldProcess(SwitchPlanText.Of(session, plan), $"Switch the applications of '{definition.Name}' from {plan.Route.State} to {To}?", "Switch-BillingBackend"))
        {
            return;
        }

        var display = new SwitchProgressBar($"Switch {definition.Name} to {To}", WriteProgress);
        var progress = ReportTo<SwitchProgress>(display.Show);
        try
        {
            var result = Run(token => backend.RunAsync(progress, token));
            foreach (var warning in result.Warnings)
            {
                WriteWarning(warning);
            }

            WriteObject(ResultObject.Of(result, session));
        }
        finally
        {
            display.Clear();
        }
    }

    private SwitchOptions Options()
    {
        Require(nameof(MaxStall), MaxStall, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        Require(nameof(MaxLag), MaxLag, TimeSpan.Zero, TimeSpan.FromDays(7));
        Require(nameof(MaxVerdictAge), MaxVerdictAge, TimeSpan.Zero, TimeSpan.FromDays(365));
        Require(nameof(RouteLease), RouteLease, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1));
        return new SwitchOptions
        {
            To = To.ToUpperInvariant() switch { "MYSQL" => RouteState.MySql, "SHADOW" => RouteState.Shadow, _ => RouteState.DynamoDb },
            Reason = Reason,
            Fence = Fence,
            FenceAccounts = [.. FenceAccount],
            MaxStall = MaxStall,
            MaxLag = MaxLag,
            MaxVerdictAge = MaxVerdictAge,
            RouteLease = RouteLease,
            Force = [.. Force],
            OnState = OnState is null ? null : (route, token) => OnPipelineAsync(() => Tell(route)).WaitAsync(token),
        };
    }

    private void Tell(Route route)
    {
        foreach (var written in OnState!.InvokeWithContext(null, [new PSVariable("_", route)], route))
        {
            WriteVerbose($"OnState: {written}");
        }
    }

    private static void Require(string name, TimeSpan? value, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
        {
            throw new MigrationException(
                "DurationOutOfRange", MigrationErrorKind.InvalidArgument, $"-{name} {value} is not between {least} and {most}. Give a duration in that range, for example {(least > TimeSpan.Zero ? least : most)}.", value);
        }
    }
}
