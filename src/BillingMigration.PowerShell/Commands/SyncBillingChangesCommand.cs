using System.Management.Automation;
using BillingMigration.Reverse;
using BillingMigration.Source.Binlog;
using BillingMigration.Sync;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Writes the source's changes into the billing table; run again, it goes on where it was, with -Restart from where the source stands now, by a comparison.</summary>
[Cmdlet(VerbsData.Sync, "BillingChanges", SupportsShouldProcess = true)]
[OutputType(typeof(SyncResult), typeof(ReverseResult))]
public sealed class SyncBillingChangesCommand : SessionCmdlet
{
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Until { get; set; }

    [Parameter]
    public SyncDirection Direction { get; set; }

    [Parameter]
    public SwitchParameter Follow { get; set; }

    [Parameter]
    public SwitchParameter Restart { get; set; }

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

    private protected override string AfterStop => "The sync was stopped. What was written is kept: the same command goes on there, and Get-BillingMigration shows how far it is.";

    private protected override void Process(MigrationSession session)
    {
        if (Direction == SyncDirection.Reverse)
        {
            WriteBack(session);
            return;
        }

        var follower = new ChangeFollower(session, Options(session));
        var definition = session.Definition;
        var what = $"Write the changes of {definition.Source.Database} of {definition.Source.Host}:{definition.Source.Port} into table {definition.Target.Table}{(Restart ? ", from where the source stands now, and compare all of both" : "")}.";
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

    /// <summary>The other way: from the table, on which applications work, to the source.</summary>
    private void WriteBack(MigrationSession session)
    {
        string[] forwardOnly = [nameof(Until), nameof(BytesPerSecond), nameof(ItemsPerSecond), nameof(WriteUnitsPerSecond)];
        if (Array.Find(forwardOnly, MyInvocation.BoundParameters.ContainsKey) is { } given && !(given == nameof(Until) && "CaughtUp".Equals(Until, StringComparison.OrdinalIgnoreCase)))
        {
            throw new MigrationException(
                "ParameterNotForReverse", MigrationErrorKind.InvalidArgument, $"-{given} is for the source's changes; with -Direction Reverse it ends when it has caught up, or goes on with -Follow. Leave it out.", given);
        }

        CheckDuration();
        var definition = session.Definition;
        var what = $"Write the changes of table {definition.Target.Table} back to {definition.Source.Database} of {definition.Source.Host}:{definition.Source.Port}{(Restart ? ", and compare all of both first" : "")}.";
        if (!ShouldProcess(what, what, "Sync-BillingChanges"))
        {
            return;
        }

        var display = new ReverseProgressBar($"Write back {definition.Name}", WriteProgress, WriteWarning);
        var progress = ReportTo<ReverseProgress>(display.Show);
        var follower = new ReverseFollower(session, new ReverseOptions { Follow = Follow, MaxDuration = MaxDuration, SetAside = SetAside, Restart = Restart });
        try
        {
            WriteObject(ResultObject.Of(Run(token => follower.RunAsync(progress, token)), session));
        }
        finally
        {
            display.Clear();
        }
    }

    private SyncOptions Options(MigrationSession session)
    {
        CheckDuration();
        if (Follow && Until is not null)
        {
            throw new MigrationException(
                "UntilWithFollow", MigrationErrorKind.InvalidArgument, "-Follow goes on until it is stopped, and -Until says where to end. Give one of them.", Until);
        }

        return new SyncOptions
        {
            Until = Follow ? null : Until is null ? new SyncUntil.CaughtUp() : SyncUntil.Parse(Until, session.Source.Server),
            Follow = Follow,
            Restart = Restart,
            MaxDuration = MaxDuration,
            SetAside = SetAside,
            BytesPerSecond = BytesPerSecond,
            ItemsPerSecond = ItemsPerSecond,
            WriteUnitsPerSecond = WriteUnitsPerSecond,
        };
    }

    private void CheckDuration()
    {
        if (MaxDuration <= TimeSpan.Zero)
        {
            throw new MigrationException(
                "MaxDurationTooShort",
                MigrationErrorKind.InvalidArgument,
                $"-MaxDuration {MaxDuration} leaves no time for the sync. Give a duration above zero, for example 02:30:00 for two and a half hours.",
                MaxDuration);
        }
    }
}
