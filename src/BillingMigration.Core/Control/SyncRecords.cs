using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Source;

namespace BillingMigration.Control;

public enum SyncState
{
    /// <summary>Changes are applied; the stream has yet to pass what was read ahead of it.</summary>
    Converging,

    /// <summary>The table is the source as it was at the checkpoint's position.</summary>
    Consistent,
}

/// <summary>How far the changes of a snapshot's run are written.</summary>
public sealed record SyncCheckpoint
{
    public required string RunId { get; init; }

    /// <summary>Where the stream is read on.</summary>
    public required SourcePosition Position { get; init; }

    /// <summary>Everything before it is written, when that is further than <see cref="Position"/>: an XA transaction is prepared.</summary>
    public SourcePosition? Seen { get; init; }

    /// <summary>True when the stream has passed the end of the snapshot.</summary>
    public bool PassedSnapshot { get; init; }

    /// <summary>Rows, by table and the columns that they are referred to by, whose children are to be looked for once more.</summary>
    public ImmutableArray<string> FormerParents { get; init; } = [];

    /// <summary>Entities that are to be compared with the source before the table is consistent.</summary>
    public ImmutableArray<string> ToCompare { get; init; } = [];

    public required SyncState State { get; init; }

    /// <summary>The stream must pass this before the table is consistent; null: it has.</summary>
    public SourcePosition? Horizon { get; init; }

    /// <summary>True when the sync ended with it: nothing behind it is in the table. After a crash something may be.</summary>
    public bool IsLast { get; init; }

    public long Transactions { get; init; }

    public long Rows { get; init; }

    /// <summary>When the last transaction written was committed.</summary>
    public DateTimeOffset? CommittedAt { get; init; }

    public required DateTimeOffset SavedAt { get; init; }

    /// <summary>With entities that were asked to be compared since it was saved.</summary>
    internal SyncCheckpoint With(ImmutableArray<EntityRestart> restarts) => restarts.IsEmpty
        ? this
        : this with { ToCompare = [.. ToCompare.Union(restarts.Select(r => r.Entity))], State = SyncState.Converging };
}

/// <summary><c>SYNC#{run}</c>: the checkpoint of the changes that follow a run.</summary>
internal static class SyncItem
{
    private const string Kind = "sync";
    private const int Format = 2;

    public static string SortKey(string runId) => $"SYNC#{runId}";

    public static Dictionary<string, AttributeValue> ToItem(string pk, SyncCheckpoint checkpoint) =>
        new ControlItemBuilder(pk, SortKey(checkpoint.RunId), Kind, Format)
            .Set("runId", checkpoint.RunId)
            .Set("position", ControlItemBuilder.Position(checkpoint.Position))
            .Set("seen", checkpoint.Seen is { } seen ? ControlItemBuilder.Position(seen) : null)
            .Set("passedSnapshot", checkpoint.PassedSnapshot)
            .Set("formerParents", checkpoint.FormerParents)
            .Set("toCompare", checkpoint.ToCompare)
            .Set("state", checkpoint.State.ToString())
            .Set("horizon", checkpoint.Horizon is { } horizon ? ControlItemBuilder.Position(horizon) : null)
            .Set("isLast", checkpoint.IsLast)
            .Set("transactions", checkpoint.Transactions)
            .Set("rows", checkpoint.Rows)
            .Set("committedAt", checkpoint.CommittedAt is { } time ? ControlItemBuilder.Time(time) : null)
            .Set("savedAt", ControlItemBuilder.Time(checkpoint.SavedAt))
            .Build();

    public static SyncCheckpoint FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new SyncCheckpoint
        {
            RunId = item.String("runId"),
            Position = item.Position("position"),
            Seen = item.OptionalPosition("seen"),
            PassedSnapshot = item.Bool("passedSnapshot"),
            FormerParents = item.OptionalTexts("formerParents") ?? [],
            ToCompare = item.OptionalTexts("toCompare") ?? [],
            State = item.Enum<SyncState>("state"),
            Horizon = item.OptionalPosition("horizon"),
            IsLast = item.Bool("isLast"),
            Transactions = item.Long("transactions"),
            Rows = item.Long("rows"),
            CommittedAt = item.OptionalTime("committedAt"),
            SavedAt = item.Time("savedAt"),
        };
    }
}
