using System.Collections.Immutable;

namespace BillingMigration.Target;

public enum InitializeStepStatus
{
    /// <summary>Would be done (plan).</summary>
    Planned,

    /// <summary>Was done by this call.</summary>
    Done,

    /// <summary>Was so already.</summary>
    Unchanged,

    /// <summary>Is otherwise than the definition says, and cannot or must not be changed by this command; says what to do.</summary>
    Differs,

    /// <summary>The endpoint (an emulator) answers that it does not know the operation.</summary>
    NotSupportedByEndpoint,
}

/// <param name="Table">Table name.</param>
/// <param name="Setting">What the step is about: <c>Table</c>, <c>KeySchema</c>, <c>Index gsi1</c>, <c>Encryption</c>, <c>PointInTimeRecovery</c>, <c>Stream</c>, <c>DeletionProtection</c>, <c>Tags</c>, <c>BillingMode</c>.</param>
/// <param name="Detail">Value now, value wanted, remedy.</param>
public sealed record InitializeStep(string Table, string Setting, InitializeStepStatus Status, string Detail);

/// <summary>Creates and checks the billing table and the control table. Idempotent; never deletes.</summary>
public sealed class TableInitializer(MigrationSession session)
{
    public MigrationSession Session { get; } = session;

    /// <summary>What <see cref="InitializeAsync"/> would do now; changes nothing.</summary>
    public Task<ImmutableArray<InitializeStep>> PlanAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Creates what is missing and waits until the tables are active.</summary>
    /// <exception cref="MigrationException"><c>WrongKeySchema</c> and others.</exception>
    public Task<ImmutableArray<InitializeStep>> InitializeAsync(IProgress<string> progress, CancellationToken cancellationToken) => throw new NotSupportedException();
}
