using System.Globalization;
using System.Management.Automation;
using BillingMigration.Control;
using BillingMigration.Integrity;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Compares the source with the billing table, and names what differs.</summary>
[Cmdlet(VerbsDiagnostic.Test, "MigrationIntegrity", DefaultParameterSetName = FullSet)]
[OutputType(typeof(IntegrityResult), typeof(ItemDifference))]
public sealed class TestMigrationIntegrityCommand : SessionCmdlet
{
    private const string FullSet = "Full";

    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(EntityCompleter))]
    public string[] Entity { get; set; } = [];

    [Parameter(Mandatory = true, ParameterSetName = "Quick")]
    public SwitchParameter Quick { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = "Since")]
    public SwitchParameter Since { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = "Sample")]
    [ValidateRange(0.0001, 99.9999)]
    public double SamplePercent { get; set; }

    [Parameter(ParameterSetName = FullSet)]
    public TimeSpan? MaxDuration { get; set; }

    [Parameter(ParameterSetName = FullSet)]
    public SwitchParameter Restart { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? ReadUnitsPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? RowsPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, 1_000_000)]
    public int MaxDifferences { get; set; } = 10_000;

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    [Parameter]
    public SwitchParameter NoError { get; set; }

    private protected override string? AfterStop => ParameterSetName == FullSet ? "The comparison was stopped. How far it is was saved once a minute: the same command goes on there." : null;

    private protected override void Process(MigrationSession session)
    {
        if (MaxDuration <= TimeSpan.Zero)
        {
            throw new MigrationException(
                "MaxDurationTooShort",
                MigrationErrorKind.InvalidArgument,
                $"-MaxDuration {MaxDuration} leaves no time for the comparison. Give a duration above zero, for example 02:30:00 for two and a half hours.",
                MaxDuration);
        }

        var checker = new IntegrityChecker(session, Options(session));
        var display = new IntegrityProgressBar($"Compare {session.Definition.Name}", WriteProgress, WriteWarning);
        var progress = ReportTo<IntegrityProgress>(display.Show);
        IntegrityResult result;
        try
        {
            result = Run(token => checker.RunAsync(progress, token));
            display.Finish(result);
        }
        catch (MigrationException)
        {
            display.Clear();
            throw;
        }

        if (!PassThru)
        {
            WriteObject(ResultObject.Of(result, session));
            if (!NoError && result.Outcome is (IntegrityOutcome.Failed or IntegrityOutcome.NotDecidable))
            {
                WriteError(Errors.ToRecord(NotPassed(session, result)));
            }

            return;
        }

        if (result.Outcome is IntegrityOutcome.NotDecidable or IntegrityOutcome.Stopped)
        {
            WriteWarning(result.Reason!);
        }

        foreach (var difference in result.Differences)
        {
            WriteObject(ResultObject.Of(difference, session));
        }
    }

    /// <summary>A job whose comparison does not pass must not end as one whose does.</summary>
    private static MigrationException NotPassed(MigrationSession session, IntegrityResult result) => result.Outcome == IntegrityOutcome.Failed
        ? new MigrationException(
            "SidesDiffer", MigrationErrorKind.DataRefused,
            string.Create(CultureInfo.InvariantCulture, $"The comparison of '{session.Definition.Name}' failed: {result.Verdict.Differences:N0} rows or items differ. See them with -PassThru, and mend them with Repair-BillingItem; -NoError keeps the result without this error."),
            session.Definition.Name)
        : new MigrationException("ComparisonNotDecidable", MigrationErrorKind.WrongState, $"The comparison of '{session.Definition.Name}' is not decidable: {result.Reason}", session.Definition.Name);

    private IntegrityOptions Options(MigrationSession session) => new()
    {
        Method = Quick ? IntegrityMethod.Quick : Since ? IntegrityMethod.Since : SamplePercent > 0 ? IntegrityMethod.Sample : IntegrityMethod.Full,
        Entities = [.. Entity.Select(name => EntityNames.Known(session, name)).Distinct()],
        SamplePercent = SamplePercent,
        MaxDuration = MaxDuration,
        Restart = Restart,
        ReadUnitsPerSecond = ReadUnitsPerSecond,
        RowsPerSecond = RowsPerSecond,
        MostDifferences = MaxDifferences,
    };
}
