using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Source;

namespace BillingMigration.Snapshot;

public sealed record SnapshotOptions
{
    /// <summary>Entities to export; empty is all.</summary>
    public ImmutableArray<string> Entities { get; init; } = [];

    /// <summary>0-based number of this worker among <see cref="ShardCount"/>.</summary>
    public int ShardIndex { get; init; }

    public int ShardCount { get; init; } = 1;

    /// <summary>Stop, checkpointed, after this long; null runs to the end.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Keep rows that cannot be items out of the table, counted and listed, instead of ending as failed.</summary>
    public bool SetAside { get; init; }

    /// <summary>
    /// Begin a new snapshot even if the last one is complete. With <see cref="Entities"/>: begin these anew in the snapshot that there is; when it is complete, the change stream goes on, and
    /// whoever follows it compares them with the source and mends what differs.
    /// </summary>
    public bool Restart { get; init; }

    /// <summary>True when entities are to begin anew, and not the whole snapshot.</summary>
    internal bool RestartsEntities => Restart && !Entities.IsEmpty;

    /// <summary>Overrides of the definition's throttle; null keeps the definition's.</summary>
    public double? BytesPerSecond { get; init; }

    public double? ItemsPerSecond { get; init; }

    public double? WriteUnitsPerSecond { get; init; }

    /// <summary>Rows that a key range aims at; small tables of tests have several ranges too.</summary>
    internal long RowsPerRange { get; init; } = RangePlanner.RowsPerRange;
}

/// <summary>What an export would do, measured on a sample of the real rows.</summary>
public sealed record SnapshotPlan
{
    public required string Migration { get; init; }

    public required string Table { get; init; }

    /// <summary>Null when there is no snapshot to go on with.</summary>
    public string? ResumesRunId { get; init; }

    public required ImmutableArray<EntityPlan> Entities { get; init; }

    public long Rows => Entities.Sum(e => e.Rows);

    public long Bytes => Entities.Sum(e => e.Bytes);

    public double WriteUnits => Entities.Sum(e => e.WriteUnits);

    public required TimeSpan EstimatedDuration { get; init; }

    /// <summary>What bounds the duration: <c>items</c>, <c>bytes</c>, <c>write units</c>, or <c>assumed rate</c>.</summary>
    public required string DurationBoundBy { get; init; }

    /// <summary>US dollars, at the definition's price per million write units.</summary>
    public required decimal EstimatedCost { get; init; }

    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>What about the source should be known before the export begins; each with its remedy.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];
}

/// <param name="Rows">Rows still to export; the optimizer's estimate for a table not yet begun.</param>
/// <param name="Bytes">Bytes of item JSON.</param>
/// <param name="WriteUnits">Write capacity units, indexes included.</param>
public sealed record EntityPlan(string Entity, string SourceTable, long Rows, long Bytes, double WriteUnits, int MeanItemBytes, int IndexesPerItem);

/// <summary>A moment of a running export; cheap to make, sent a few times a second.</summary>
public sealed record SnapshotProgress
{
    public required ImmutableArray<EntityProgress> Entities { get; init; }

    public long Items => Entities.Sum(e => e.Items);

    public long EstimatedRows => Entities.Sum(e => e.EstimatedRows);

    public required double ItemsPerSecond { get; init; }

    public required double BytesPerSecond { get; init; }

    public required long ThrottledRequests { get; init; }

    public required TimeSpan Elapsed { get; init; }

    /// <summary>What the export is waiting for, if anything: throttling, the network, the source's load.</summary>
    public string? Waiting { get; init; }
}

public sealed record EntityProgress(string Entity, long Items, long EstimatedRows, int RangesDone, int Ranges);

public enum SnapshotOutcome
{
    /// <summary>Every range of every chosen entity and shard is in the table.</summary>
    Complete,

    /// <summary>Stopped by <c>-MaxDuration</c> or a cancellation; the same command goes on.</summary>
    Stopped,

    /// <summary>All ranges were read, and some rows could not be items.</summary>
    Failed,

    /// <summary>The snapshot is complete, and <c>Sync-BillingChanges</c> was asked to compare the chosen entities with the source and to mend what differs.</summary>
    LeftToSync,
}

public sealed record SnapshotResult
{
    public required string Migration { get; init; }

    public required string Table { get; init; }

    public required string RunId { get; init; }

    public required SnapshotOutcome Outcome { get; init; }

    public required SourcePosition Start { get; init; }

    /// <summary>State of the whole run, all shards and entities together.</summary>
    public required SnapshotState RunState { get; init; }

    public required ImmutableArray<EntityResult> Entities { get; init; }

    /// <summary>Items that this call wrote.</summary>
    public required long Items { get; init; }

    public required long Bytes { get; init; }

    public required double ConsumedWriteUnits { get; init; }

    public required long Requests { get; init; }

    public required long ThrottledRequests { get; init; }

    public required TimeSpan Duration { get; init; }

    public double ItemsPerSecond => Duration.TotalSeconds > 0 ? Items / Duration.TotalSeconds : 0;

    /// <summary>At most the first 1,000; the control table has all.</summary>
    public required ImmutableArray<SetAsideRow> Refused { get; init; }
}

/// <param name="Items">Items of this entity written so far in the run, by all calls.</param>
public sealed record EntityResult(string Entity, string SourceTable, long Rows, long Items, long SetAside, int RangesDone, int Ranges);
