using System.Management.Automation;
using BillingMigration.Snapshot;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Copies the source into the billing table; run again, it goes on where it was.</summary>
[Cmdlet(VerbsData.Export, "BillingSnapshot", SupportsShouldProcess = true)]
[OutputType(typeof(SnapshotResult))]
public sealed class ExportBillingSnapshotCommand : SessionCmdlet
{
    /// <summary>Rows named in the error of an export that refused some; the result has more, the control table all.</summary>
    private const int RowsInError = 10;

    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(EntityCompleter))]
    public string[] Entity { get; set; } = [];

    [Parameter]
    [ValidateRange(0, 999)]
    public int ShardIndex { get; set; }

    [Parameter]
    [ValidateRange(1, 1000)]
    public int ShardCount { get; set; } = 1;

    [Parameter]
    public TimeSpan? MaxDuration { get; set; }

    [Parameter]
    public SwitchParameter SetAside { get; set; }

    [Parameter]
    public SwitchParameter Restart { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? BytesPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? ItemsPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? WriteUnitsPerSecond { get; set; }

    private protected override string AfterStop => "The export was stopped. What was written is kept: the same command goes on there, and Get-BillingMigration shows how far it is.";

    private protected override void Process(MigrationSession session)
    {
        var exporter = new SnapshotExporter(session, Options(session));
        var definition = session.Definition;
        var plan = Run(exporter.PlanAsync);
        foreach (var warning in plan.Warnings)
        {
            WriteWarning(warning);
        }

        var what = IsWhatIf
            ? PlanText.Of(session, plan)
            : $"Export {definition.Source.Database} of {definition.Source.Host}:{definition.Source.Port} to table {definition.Target.Table}.";
        if (!ShouldProcess(what, what, "Export-BillingSnapshot"))
        {
            return;
        }

        var display = new ExportProgress($"Export {definition.Name}", WriteProgress, WriteWarning);
        var progress = ReportTo<SnapshotProgress>(display.Show);
        SnapshotResult result;
        try
        {
            result = Run(token => exporter.RunAsync(progress, token));
            display.Finish(result);
        }
        catch (MigrationException)
        {
            display.Clear();
            throw;
        }

        Run(token => StoreSchema.SaveAsync(session, token));
        WriteObject(ResultObject.Of(result, session));
        if (result.Outcome == SnapshotOutcome.Failed)
        {
            WriteError(Errors.ToRecord(RowsRefused(result)));
        }
    }

    private SnapshotOptions Options(MigrationSession session)
    {
        if (ShardIndex >= ShardCount)
        {
            throw new MigrationException(
                "ShardIndexTooLarge",
                MigrationErrorKind.InvalidArgument,
                $"-ShardIndex {ShardIndex} is not below -ShardCount {ShardCount}. The workers of an export are numbered from 0 to {ShardCount - 1}.",
                ShardIndex);
        }

        if (MaxDuration <= TimeSpan.Zero)
        {
            throw new MigrationException(
                "MaxDurationTooShort",
                MigrationErrorKind.InvalidArgument,
                $"-MaxDuration {MaxDuration} leaves no time for the export. Give a duration above zero, for example 02:30:00 for two and a half hours.",
                MaxDuration);
        }

        return new SnapshotOptions
        {
            Entities = [.. Entity.Select(name => EntityNames.Known(session, name)).Distinct()],
            ShardIndex = ShardIndex,
            ShardCount = ShardCount,
            MaxDuration = MaxDuration,
            SetAside = SetAside,
            Restart = Restart,
            BytesPerSecond = BytesPerSecond,
            ItemsPerSecond = ItemsPerSecond,
            WriteUnitsPerSecond = WriteUnitsPerSecond,
        };
    }

    private static MigrationException RowsRefused(SnapshotResult result)
    {
        var count = result.Entities.Sum(e => e.SetAside);
        var rows = result.Refused.Take(RowsInError).Select(r => $"  {r.Entity} {r.Key}: {r.ReasonId}, {r.Reason}");
        var more = count > RowsInError ? [$"  and {PlanText.Number(count - RowsInError)} more"] : Array.Empty<string>();
        var text = string.Join(
            Environment.NewLine,
            [
                count == 1 ? "1 row cannot be an item and is not in the table:" : $"{PlanText.Number(count)} rows cannot be items and are not in the table:",
                .. rows,
                .. more,
                "Correct them in the source, or run Export-BillingSnapshot -SetAside to keep them out of the table, counted.",
            ]);
        return new MigrationException("RowsRefused", MigrationErrorKind.DataRefused, text, result.Refused.Take(RowsInError).ToArray());
    }
}
