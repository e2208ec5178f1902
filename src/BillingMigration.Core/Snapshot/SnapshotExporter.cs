namespace BillingMigration.Snapshot;

/// <summary>Copies the source into the billing table, range by range, from one proven start position. Resumable at any instant.</summary>
public sealed class SnapshotExporter(MigrationSession session, SnapshotOptions options)
{
    public MigrationSession Session { get; } = session;

    public SnapshotOptions Options { get; } = options;

    /// <summary>What <see cref="RunAsync"/> would do now; changes nothing.</summary>
    public Task<SnapshotPlan> PlanAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>
    /// Runs until complete, until <see cref="SnapshotOptions.MaxDuration"/>, or until cancelled: then it returns <see cref="SnapshotOutcome.Stopped"/>
    /// within a second, checkpointed.
    /// </summary>
    public Task<SnapshotResult> RunAsync(IProgress<SnapshotProgress> progress, CancellationToken cancellationToken) => throw new NotSupportedException();
}
