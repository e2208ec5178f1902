using System.Management.Automation;

namespace BillingMigration.PowerShell;

/// <summary>A cmdlet that works on an open migration.</summary>
public abstract class SessionCmdlet : BillingCmdlet
{
    /// <summary>The session; without it, the last one that this runspace connected.</summary>
    [Parameter(ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNull]
    public MigrationSession? Migration { get; set; }

    protected sealed override void Process()
    {
        var session = Migration ?? Sessions.Default ?? throw new MigrationException(
            "NoSession",
            MigrationErrorKind.WrongState,
            "No migration is connected in this session. Run Connect-BillingMigration first, or pass its result as -Migration.");
        if (Sessions.IsClosed(session))
        {
            throw new MigrationException(
                "SessionClosed",
                MigrationErrorKind.WrongState,
                $"The session of migration '{session.Definition.Name}' was disconnected. Run Connect-BillingMigration again.",
                session.Definition.Name);
        }

        Secrets.AddRange(Sessions.SecretsOf(session));
        Process(session);
    }

    /// <summary>For cmdlets whose objects are rows, of one session for the most part: trouble with a side is trouble with all of them.</summary>
    private protected static bool IsOfARow(MigrationException error) =>
        error.Kind is MigrationErrorKind.InvalidArgument or MigrationErrorKind.NotFound or MigrationErrorKind.WrongState or MigrationErrorKind.DataRefused;

    /// <summary>The work for one session.</summary>
    private protected abstract void Process(MigrationSession session);
}
