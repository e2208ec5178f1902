using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

public sealed record IntegrityOptions
{
    /// <summary>How both sides are compared.</summary>
    public IntegrityMethod Method { get; init; } = IntegrityMethod.Full;

    /// <summary>Entities to compare; empty is all.</summary>
    public ImmutableArray<string> Entities { get; init; } = [];

    /// <summary>Sample: percent of the rows and of the items, above 0 and below 100.</summary>
    public double SamplePercent { get; init; } = 1;

    /// <summary>Stop, with what was compared saved, after this long; null runs to the end.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Compare anew even if an unfinished comparison is there to go on with.</summary>
    public bool Restart { get; init; }

    /// <summary>Read units of the table per second; null is no limit.</summary>
    public double? ReadUnitsPerSecond { get; init; }

    /// <summary>Rows of the source per second; null: the definition's.</summary>
    public double? RowsPerSecond { get; init; }

    /// <summary>Differences that are kept as objects; more are only counted.</summary>
    public int MostDifferences { get; init; } = 10_000;

    /// <summary>Changed rows that <see cref="IntegrityMethod.Since"/> compares at most; beyond that comparing everything is cheaper.</summary>
    internal long MostChanges { get; init; } = 1_000_000;

    /// <summary><see cref="IntegrityMethod.Since"/> goes on from it, in place of the last good verdict; that verdict is what it builds upon all the same.</summary>
    internal ComparedSoFar? GoOnFrom { get; init; }

    /// <summary>Told each row that <see cref="IntegrityMethod.Since"/> compares.</summary>
    internal Action<Suspect>? OnChanged { get; init; }

    /// <summary>Changed rows that are asked for together: fewer leave the source more time for others.</summary>
    internal int ChangesAtOnce { get; init; } = 1_000;

    /// <summary>What does not agree is looked at again as often; 0: it is left, undecided.</summary>
    internal int MostLooks { get; init; } = 20;

    /// <summary>What does not agree is looked at again as many at a time.</summary>
    internal int SuspectsAtOnce { get; init; } = 10_000;

    /// <summary>How long the change stream may stand still before what waits for it is called not decidable.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Rows that a key range aims at; small tables of tests have several ranges too.</summary>
    internal long RowsPerRange { get; init; } = RangePlanner.RowsPerRange;
}

/// <summary>A moment of a running comparison.</summary>
public sealed record IntegrityProgress
{
    /// <summary>What is being done: <c>comparing</c>, <c>naming differences</c>, <c>checking again</c>.</summary>
    public required string Doing { get; init; }

    public required long Rows { get; init; }

    public required long Items { get; init; }

    public required long EstimatedRows { get; init; }

    public required long Differences { get; init; }

    public required TimeSpan Elapsed { get; init; }

    /// <summary>What the comparison is waiting for, if anything.</summary>
    public string? Waiting { get; init; }
}

public enum DifferenceKind
{
    /// <summary>The row has no item.</summary>
    Missing,

    /// <summary>The item has no row.</summary>
    Extra,

    /// <summary>Row and item differ in some attribute.</summary>
    Different,
}

/// <summary>An attribute that is not what the row says. Values of sensitive ones are masked: equal marks are equal values, within one check.</summary>
/// <param name="Source">As the source's row makes it; null: absent.</param>
/// <param name="Target">As the item has it; null: absent.</param>
public sealed record AttributeDifference(string Name, string? Source, string? Target, bool Sensitive);

/// <summary>A row and an item that do not agree.</summary>
public sealed record ItemDifference
{
    /// <summary>The item's own word where it belongs to no entity of the definition.</summary>
    public required string Entity { get; init; }

    /// <summary>Primary key of the row, <c>charge_id=42</c>; empty for an item that tells of no row.</summary>
    public required string Key { get; init; }

    public required DifferenceKind Kind { get; init; }

    public required string PartitionKey { get; init; }

    public required string SortKey { get; init; }

    public ImmutableArray<AttributeDifference> Attributes { get; init; } = [];

    /// <summary>The source's position at which it was seen.</summary>
    public SourcePosition? Position { get; init; }

    /// <summary>A guess at the cause, in a sentence.</summary>
    public required string Cause { get; init; }

    /// <summary>The row's primary key, as a checkpoint holds it; null when it is not known.</summary>
    internal ImmutableArray<string>? PrimaryKey { get; init; }

    /// <summary>Digest of the item that was seen; null: there was none.</summary>
    internal UInt128? Seen { get; init; }
}

/// <summary>What a check says, with everything that it rests on.</summary>
public sealed record IntegrityResult
{
    public required string Migration { get; init; }

    public required string Table { get; init; }

    public required IntegrityVerdict Verdict { get; init; }

    /// <summary>True only when everything that was compared is equal.</summary>
    public bool Passed => Verdict.Passed;

    public IntegrityOutcome Outcome => Verdict.Outcome;

    /// <summary>Why it is not decidable, or what failed; null when it passed.</summary>
    public string? Reason => Verdict.Reason;

    public ImmutableArray<EntityFigures> Entities => Verdict.Entities;

    /// <summary>At most <see cref="IntegrityOptions.MostDifferences"/>; the verdict counts all.</summary>
    public required ImmutableArray<ItemDifference> Differences { get; init; }

    public required ImmutableArray<OrphanedItem> Orphans { get; init; }

    public required long Requests { get; init; }

    public required TimeSpan Duration { get; init; }

    /// <summary>Where a further comparison of changes may go on; null: only from the last good verdict.</summary>
    internal ComparedSoFar? SoFar { get; init; }

    public double RowsPerSecond => Duration.TotalSeconds > 0 ? Entities.Sum(e => e.Rows) / Duration.TotalSeconds : 0;
}

/// <summary>An item whose parent is not in the table.</summary>
/// <param name="Key">Its primary key: <c>charge_id=42</c>.</param>
/// <param name="Parent">The entity that it refers to.</param>
/// <param name="ForeignKey">Name of the foreign key of the source.</param>
public sealed record OrphanedItem(string Entity, string Key, string Parent, string ForeignKey);
