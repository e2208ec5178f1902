using System.Collections.Immutable;
using BillingMigration.Control;

namespace BillingMigration.Reverse;

public sealed record ReverseOptions
{
    /// <summary>Go on until stopped; else until all that the stream has is written.</summary>
    public bool Follow { get; init; }

    /// <summary>Stop, checkpointed, after this long.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Keep rows back that the source does not take, counted and listed, instead of ending as failed.</summary>
    public bool SetAside { get; init; }

    /// <summary>Compare the whole table with the source first, and write what differs.</summary>
    public bool Restart { get; init; }
}

/// <summary>A moment of a running way back.</summary>
public sealed record ReverseProgress
{
    public required long Items { get; init; }

    public required long Rows { get; init; }

    public required int Shards { get; init; }

    /// <summary>Age of the changes that are being written; null when there is nothing left to write.</summary>
    public required TimeSpan? Lag { get; init; }

    public required TimeSpan Elapsed { get; init; }

    public string? Waiting { get; init; }
}

public sealed record ReverseResult
{
    public required string Migration { get; init; }

    public required string Table { get; init; }

    /// <summary>True when all that the stream had was written; false when it was stopped before.</summary>
    public required bool IsCaughtUp { get; init; }

    /// <summary>Changes of items that this call has looked at.</summary>
    public required long Items { get; init; }

    /// <summary>Rows of the source that it wrote.</summary>
    public required long Rows { get; init; }

    public required TimeSpan Duration { get; init; }

    /// <summary>Rows that the table has and the source does not take.</summary>
    public required ImmutableArray<SetAsideRow> Refused { get; init; }
}
