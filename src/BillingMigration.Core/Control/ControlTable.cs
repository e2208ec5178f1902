using System.Collections.Immutable;
using Amazon.DynamoDBv2;

namespace BillingMigration.Control;

/// <summary>The migration's own table: leases, snapshot runs, range checkpoints, rows set aside. One partition per migration.</summary>
public sealed class ControlTable(IAmazonDynamoDB client, string table, string migration, TimeProvider time)
{
    public string Table { get; } = table;

    public string Migration { get; } = migration;

    internal IAmazonDynamoDB Client { get; } = client;

    internal TimeProvider Time { get; } = time;

    /// <summary>Takes the lease of a job: at once when it is free or its holder is a dead process of this machine, else after watching it stay unrenewed for its whole duration.</summary>
    /// <exception cref="MigrationException"><c>LeaseHeld</c> when the holder renews it.</exception>
    public Task<Lease> AcquireLeaseAsync(string job, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<SnapshotRun?> FindSnapshotAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Creates the run, unless another worker just did: then returns that one.</summary>
    public Task<SnapshotRun> BeginSnapshotAsync(SnapshotRun run, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Stores the ranges of one entity and marks it planned, unless another worker just did; returns the ranges that hold.</summary>
    public Task<ImmutableArray<SnapshotRange>> PlanRangesAsync(string runId, string entity, ImmutableArray<SnapshotRange> ranges, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<ImmutableArray<SnapshotRange>> ListRangesAsync(string runId, string? entity, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Moves a checkpoint, only while <paramref name="lease"/> holds (checked by the table itself, by epoch).</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    public Task SaveRangeAsync(Lease lease, string runId, SnapshotRange range, ImmutableArray<SetAsideRow> setAside, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Marks the run complete at <paramref name="end"/> if every range of every entity is done; returns the run as it is now.</summary>
    public Task<SnapshotRun> CompleteSnapshotAsync(Lease lease, SnapshotRun run, Source.SourcePosition end, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<ImmutableArray<SetAsideRow>> ListSetAsideAsync(string runId, int most, CancellationToken cancellationToken) => throw new NotSupportedException();
}
