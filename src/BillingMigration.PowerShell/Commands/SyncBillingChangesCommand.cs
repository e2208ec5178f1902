using System.Management.Automation;
using BillingMigration.Source.Binlog;
using BillingMigration.Sync;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Writes the source's changes into the billing table; run again, it goes on where it was.</summary>
[Cmdlet(VerbsData.Sync, "BillingChanges", SupportsShouldProcess = true)]
[OutputType(typeof(SyncResult))]
public sealed class SyncBillingChangesCommand : SessionCmdlet
{
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Until { get; set; }

    [Parameter]
    public SwitchParameter Follow { get; set; }

    [Parameter]
    public TimeSpan? MaxDuration { get; set; }

    [Parameter]
    public SwitchParameter SetAside { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? BytesPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? ItemsPerSecond { get; set; }

    [Parameter]
    [ValidateRange(1, double.MaxValue)]
    public double? WriteUnitsPerSecond { get; set; }

    private protected override void Process(MigrationSession session)
    {
        var follower = new ChangeFollower(session, Options(session));
        var definition = session.Definition;
        var what = $"Write the changes of {definition.Source.Database} of {definition.Source.Host}:{definition.Source.Port} into table {definition.Target.Table}.";
        if (!ShouldProcess(what, what, "Sync-BillingChanges"))
        {
            return;
        }

        foreach (var warning in Run(token => SourceReplicationSettings.ReadAsync(session.Source, token)).Warnings)
        {
            WriteWarning(warning);
        }

        var display = new SyncProgressBar($"Sync {definition.Name}", WriteProgress, WriteWarning);
        var progress = ReportTo<SyncProgress>(display.Show);
        SyncResult result;
        try
        {
            result = Run(token => follower.RunAsync(progress, token));
            display.Finish(result);
        }
        catch (MigrationException)
        {
            display.Clear();
            throw;
        }

        WriteObject(ResultObject.Of(result, session));
    }

    private SyncOptions Options(MigrationSession session)
    {
        if (MaxDuration <= TimeSpan.Zero)
        {
            throw new MigrationException(
                "MaxDurationTooShort",
                MigrationErrorKind.InvalidArgument,
                $"-MaxDuration {MaxDuration} leaves no time for the sync. Give a duration above zero, for example 02:30:00 for two and a half hours.",
                MaxDuration);
        }

        if (Follow && Until is not null)
        {
            throw new MigrationException(
                "UntilWithFollow", MigrationErrorKind.InvalidArgument, "-Follow goes on until it is stopped, and -Until says where to end. Give one of them.", Until);
        }

        return new SyncOptions
        {
            Until = Follow ? null : Until is null ? new SyncUntil.CaughtUp() : SyncUntil.Parse(Until, session.Source.Server),
            Follow = Follow,
            MaxDuration = MaxDuration,
            SetAside = SetAside,
            BytesPerSecond = BytesPerSecond,
            ItemsPerSecond = ItemsPerSecond,
            WriteUnitsPerSecond = WriteUnitsPerSecond,
        };
    }
}
