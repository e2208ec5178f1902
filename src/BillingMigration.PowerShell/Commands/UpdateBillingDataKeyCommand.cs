using System.Management.Automation;
using BillingMigration.Rotation;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Rotates the data key of encrypted columns; run again, it goes on where it was.</summary>
[Cmdlet(VerbsData.Update, "BillingDataKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RotationResult))]
public sealed class UpdateBillingDataKeyCommand : SessionCmdlet
{
    [Parameter]
    public SwitchParameter RemoveFormerKey { get; set; }

    [Parameter]
    public TimeSpan? MaxDuration { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? ReadUnitsPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? WriteUnitsPerSecond { get; set; }

    private protected override string AfterStop => "The rotation was stopped. What was rewritten is kept: the same command goes on there.";

    private protected override void Process(MigrationSession session)
    {
        if (MaxDuration <= TimeSpan.Zero)
        {
            throw new MigrationException(
                "MaxDurationTooShort", MigrationErrorKind.InvalidArgument,
                $"-MaxDuration {MaxDuration} leaves no time for the rotation. Give a duration above zero, for example 02:30:00 for two and a half hours.",
                MaxDuration);
        }

        if (RemoveFormerKey && MaxDuration is not null)
        {
            throw new MigrationException(
                "MaxDurationNotForRemoval", MigrationErrorKind.InvalidArgument,
                "-RemoveFormerKey reads the whole table before it removes a key, so it takes no -MaxDuration. Leave it out.", MaxDuration);
        }

        var rotator = new DataKeyRotator(
            session, new RotationOptions { MaxDuration = MaxDuration, ReadUnitsPerSecond = ReadUnitsPerSecond, WriteUnitsPerSecond = WriteUnitsPerSecond });
        var what = RemoveFormerKey ? Removal(session) : Plan(session, Run(rotator.PlanAsync));
        if (!ShouldProcess(what, what, "Update-BillingDataKey"))
        {
            return;
        }

        var display = new RotationProgressBar($"Rotate the data key of {session.Definition.Name}", WriteProgress);
        var progress = ReportTo<RotationProgress>(display.Show);
        try
        {
            var result = Run(token => RemoveFormerKey ? rotator.GiveUpFormerKeysAsync(progress, token) : rotator.RunAsync(progress, token));
            if (result.Unreadable > 0)
            {
                WriteWarning(
                    $"{PlanText.Number(result.Unreadable)} values cannot be decrypted with any data key. "
                    + "Run Test-MigrationIntegrity, which names their items.");
            }

            WriteObject(ResultObject.Of(result, session));
        }
        finally
        {
            display.Clear();
        }
    }

    private static string Removal(MigrationSession session) =>
        $"Read table {session.Definition.Target.Table} and, when no item has a value under a former data key, "
        + "remove the former keys: what backups have under them cannot be read any more.";

    private static string Plan(MigrationSession session, RotationPlan plan)
    {
        var begin = plan.IsUnderWay
            ? $"Go on with the rotation to data key {plan.Number}"
            : $"Have KMS make data key {plan.Number} with {session.Definition.Target.Encryption!.KmsKeyId} and make it current";
        var (noun, verb) = plan.Others.Length == 1 ? ("key", "is") : ("keys", "are");
        var items = $"the items of table {session.Definition.Target.Table} (about {PlanText.Number(plan.Items)})";
        return $"{begin}; rewrite {items} that have values under {noun} {string.Join(", ", plan.Others)}, which {verb} kept.";
    }
}
