using System.Collections.Immutable;
using BillingMigration.Source;

namespace BillingMigration.Control;

public enum IntegrityMethod
{
    /// <summary>Counts of both sides only.</summary>
    Quick,

    /// <summary>Every row and every item, whole.</summary>
    Full,

    /// <summary>Rows that changed since the last verdict that passed.</summary>
    Since,

    /// <summary>A part of the rows and of the items, chosen by chance.</summary>
    Sample,
}

public enum IntegrityOutcome
{
    /// <summary>What was compared is equal.</summary>
    Passed,

    /// <summary>Real differences were found.</summary>
    Failed,

    /// <summary>It cannot be told; the reason says why, and what to do.</summary>
    NotDecidable,

    /// <summary>Stopped by its limit of time; the same command goes on.</summary>
    Stopped,
}

/// <summary>Figures of one entity.</summary>
/// <param name="Rows">Rows of the source that were read or counted.</param>
/// <param name="Items">Items of the table that were read or counted.</param>
/// <param name="RowsExact">False when <paramref name="Rows"/> is an estimate.</param>
/// <param name="ItemsExact">False when <paramref name="Items"/> is an estimate.</param>
/// <param name="SetAside">Rows that cannot be items, and were set aside by the export.</param>
public sealed record EntityFigures(
    string Entity, string SourceTable, long Rows, long Items, bool RowsExact, bool ItemsExact, long Missing, long Extra, long Different, long SetAside)
{
    public long Differences => Missing + Extra + Different;
}

/// <summary>A verdict as the control table keeps it: what was compared, by which method, at which position, and what came out.</summary>
public sealed record IntegrityVerdict
{
    /// <summary>Sorts by time.</summary>
    public required string Id { get; init; }

    /// <summary>Run of the snapshot that was checked.</summary>
    public required string RunId { get; init; }

    public required IntegrityMethod Method { get; init; }

    public required IntegrityOutcome Outcome { get; init; }

    public bool Passed => Outcome == IntegrityOutcome.Passed;

    public string? Reason { get; init; }

    /// <summary>Entities that were compared, or the part of them.</summary>
    public required string Scope { get; init; }

    /// <summary>Position of the source before the first row was read.</summary>
    public required SourcePosition From { get; init; }

    /// <summary>Position of the source after the last row was read.</summary>
    public required SourcePosition To { get; init; }

    /// <summary>True when no migrated row changed between the two: the verdict holds exactly at <see cref="To"/>.</summary>
    public required bool Exact { get; init; }

    public required string ModelDigest { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required DateTimeOffset EndedAt { get; init; }

    public required ImmutableArray<EntityFigures> Entities { get; init; }

    /// <summary>Items of no entity that the definition has.</summary>
    public long Strangers { get; init; }

    public long Orphans { get; init; }

    /// <summary>Differences that could be neither confirmed nor dismissed.</summary>
    public long Undecided { get; init; }

    public double ReadUnits { get; init; }

    public long Differences => Entities.Sum(e => e.Differences) + Strangers;

    /// <summary>True when every entity was compared in whole.</summary>
    public required bool IsWhole { get; init; }
}
