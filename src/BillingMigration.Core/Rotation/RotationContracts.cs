using System.Collections.Immutable;

namespace BillingMigration.Rotation;

public sealed record RotationOptions
{
    /// <summary>Stop, with what was done saved, after this long; null runs to the end.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Read units of the table per second; null is no limit.</summary>
    public double? ReadUnitsPerSecond { get; init; }

    /// <summary>Write units of the table and its indexes per second; null: the definition's.</summary>
    public double? WriteUnitsPerSecond { get; init; }

    /// <summary>
    /// The last pass begins this long after the new key has become current: by then each process encrypts with it, what was encrypted before has been
    /// written, and clocks may differ by a minute.
    /// </summary>
    internal TimeSpan Settled { get; init; } = Model.KeyRingKeeper.MostAge + TimeSpan.FromMinutes(2);

    /// <summary>Segments that are read at the same time.</summary>
    internal int Readers { get; init; } = 8;

    /// <summary>Items of a page that are written at the same time.</summary>
    internal int WritersPerPage { get; init; } = 4;

    /// <summary>Called before an item is written; for tests.</summary>
    internal Action? OnWrite { get; init; }
}

public enum RotationOutcome
{
    /// <summary>No value of the table is under another key.</summary>
    Complete,

    /// <summary>The time was over: the same command goes on.</summary>
    Stopped,

    /// <summary>The former keys were given up.</summary>
    GivenUp,
}

/// <summary>What a rotation would do now.</summary>
/// <param name="Number">Of the key that values are to be encrypted with.</param>
/// <param name="IsUnderWay">A rotation was begun and is not complete.</param>
/// <param name="Others">Numbers of the other keys, which are kept.</param>
public sealed record RotationPlan(int Number, bool IsUnderWay, long Items, ImmutableArray<int> Others);

/// <summary>A moment of a running rotation.</summary>
/// <param name="Segments">Of the pass, read so far and altogether.</param>
/// <param name="Waiting">Why nothing is read now; null: it is.</param>
public sealed record RotationProgress(int Number, int Pass, int SegmentsDone, int Segments, long Items, long Rewritten, string? Waiting);

/// <summary>How a call ended.</summary>
/// <param name="Number">Of the current key.</param>
/// <param name="Passes">Over the table, of the whole rotation.</param>
/// <param name="Rewritten">Items, of the whole rotation.</param>
/// <param name="Unreadable">Values of the last pass that no key opens: Test-MigrationIntegrity names them.</param>
/// <param name="Others">Numbers of the former keys: those that are kept, or that were given up.</param>
public sealed record RotationResult(
    RotationOutcome Outcome, int Number, int Passes, long Rewritten, long Unreadable, ImmutableArray<int> Others, TimeSpan Duration);
