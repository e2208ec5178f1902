using System.Collections.Immutable;
using System.Management.Automation;
using BillingMigration.Target;

namespace BillingMigration.PowerShell.Commands;

/// <summary>What Initialize-BillingTable found and did.</summary>
public sealed record InitializeResult
{
    public required string Table { get; init; }

    public required string ControlTable { get; init; }

    public required Uri Endpoint { get; init; }

    public required ImmutableArray<InitializeStep> Steps { get; init; }

    /// <summary>Settings of an existing table that are not as the definition says.</summary>
    public IEnumerable<InitializeStep> Differences => Steps.Where(s => s.Status == InitializeStepStatus.Differs);
}

/// <summary>Creates and checks the billing table and the control table.</summary>
[Cmdlet(VerbsData.Initialize, "BillingTable", SupportsShouldProcess = true)]
[OutputType(typeof(InitializeResult))]
public sealed class InitializeBillingTableCommand : SessionCmdlet
{
    private const int ActivityId = 7301;

    private protected override void Process(MigrationSession session)
    {
        // Tables that are made are protected against deletion: first the definition must be right.
        Run(session.RequireFitAsync);
        var definition = session.Definition.Target;
        var initializer = new TableInitializer(session);
        var what = IsWhatIf
            ? PlanText.Of(session, Run(initializer.PlanAsync))
            : $"Create or check tables {definition.Table} and {definition.ControlTableName} at {session.Target.Endpoint}.";
        if (!ShouldProcess(what, what, "Initialize-BillingTable"))
        {
            return;
        }

        var activity = $"Initialize {definition.Table}";
        var progress = ReportTo<string>(text => WriteProgress(new ProgressRecord(ActivityId, activity, text.Length == 0 ? " " : text)));
        var steps = Run(token => initializer.InitializeAsync(progress, token));
        WriteProgress(new ProgressRecord(ActivityId, activity, "done") { RecordType = ProgressRecordType.Completed });
        var result = new InitializeResult
        {
            Table = definition.Table,
            ControlTable = definition.ControlTableName,
            Endpoint = session.Target.Endpoint,
            Steps = [.. steps],
        };
        foreach (var step in result.Differences)
        {
            WriteWarning($"{step.Table}, {step.Setting}: {step.Detail}");
        }

        WriteObject(ResultObject.Of(result, session));
    }
}
