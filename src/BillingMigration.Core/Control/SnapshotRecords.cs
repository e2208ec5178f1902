using System.Collections.Immutable;
using BillingMigration.Source;

namespace BillingMigration.Control;

public enum SnapshotState
{
    /// <summary>Some ranges are not done; the same command goes on with them.</summary>
    Running,

    /// <summary>Every range of every entity is in the table; the change stream has yet to pass <see cref="SnapshotRun.End"/>.</summary>
    Complete,
}

/// <summary>One snapshot of the source: its start position holds for every range, on whichever machine it is read.</summary>
public sealed record SnapshotRun
{
    public required string RunId { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required SourcePosition Start { get; init; }

    /// <summary>Position after the last range was read: the stream must pass it before the target is consistent.</summary>
    public SourcePosition? End { get; init; }

    public required SnapshotState State { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Number of workers that share the run, 1 to 1,000; fixed for the run.</summary>
    public required int ShardCount { get; init; }

    /// <summary>Digest of what decides the items: entities, keys, columns. A run does not go on under another one.</summary>
    public required string ModelDigest { get; init; }

    /// <summary>What the digest is about, part by part, to tell what has changed since.</summary>
    public string? ModelParts { get; init; }

    /// <summary>True when the table held items before the run: what the run does not write is left over, and found by a comparison before the table is called consistent.</summary>
    public bool Sweep { get; init; }

    /// <summary>Entities whose ranges have been planned.</summary>
    public ImmutableArray<string> PlannedEntities { get; init; } = [];
}

/// <summary>
/// A range of primary keys of one entity, <c>(From, To]</c>, and how far it has come. Bounds are the key columns' canonical texts in
/// key order; null is open.
/// </summary>
public sealed record SnapshotRange
{
    public required string Entity { get; init; }

    /// <summary>0-based, in key order.</summary>
    public required int Number { get; init; }

    public ImmutableArray<string>? From { get; init; }

    public ImmutableArray<string>? To { get; init; }

    /// <summary>Every row up to and with this key is written; null: none yet.</summary>
    public ImmutableArray<string>? Cursor { get; init; }

    public long Rows { get; init; }

    public long Items { get; init; }

    /// <summary>Bytes of canonical item JSON written.</summary>
    public long Bytes { get; init; }

    public long SetAside { get; init; }

    public bool Done { get; init; }
}

/// <param name="Value">Null: of a row that was set aside by an earlier version.</param>
internal sealed record SetAsideMark(string SortKey, string? Value);

/// <summary>A row that cannot be an item: its identity and the reason, never its content.</summary>
/// <param name="Key">Primary key, <c>charge_id=42</c>; of a row that the table refused, its item's key as JSON.</param>
public sealed record SetAsideRow(string Entity, string Key, string ReasonId, string Reason)
{
    /// <summary>Reason of rows that DynamoDB itself refused.</summary>
    public const string RejectedByTable = "RejectedByTable";
}
