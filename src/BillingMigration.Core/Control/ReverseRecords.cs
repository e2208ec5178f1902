using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>How far the table's stream is written back to the source. Records that are read again do no harm: a record only says which row to look at.</summary>
public sealed record ReverseCheckpoint
{
    /// <summary>The stream; another one begins when it was disabled and enabled again.</summary>
    public required string StreamArn { get; init; }

    /// <summary>Nothing that was written before needs to be looked at.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>
    /// By shard: the last sequence number read; empty: none since <see cref="Since"/>; <see cref="Done"/>: the shard is closed and read;
    /// <see cref="Continued"/>: others go on from it, too.
    /// </summary>
    public required ImmutableSortedDictionary<string, string> Shards { get; init; }

    /// <summary>Items that were looked at, and rows written because of them.</summary>
    public long Items { get; init; }

    public long Rows { get; init; }

    /// <summary>The whole table is to be compared with the source first: the stream does not have all.</summary>
    public bool ToCompare { get; init; }

    /// <summary>True when all that the stream had at <see cref="SavedAt"/> was written.</summary>
    public bool IsCaughtUp { get; init; }

    /// <summary>What was written to the table before then is in the source, as far as the stream has told; the clock is that of DynamoDB or of the process that writes back, whichever is behind.</summary>
    public DateTimeOffset UpTo { get; init; }

    public required DateTimeOffset SavedAt { get; init; }

    internal const string Done = "*";
    internal const string Continued = "**";
}

/// <summary><c>REVERSE</c>: the checkpoint; <c>REVERSE#SETASIDE#{entity}#{key}</c>: rows that the source did not take.</summary>
internal static class ReverseItem
{
    public const string SortKey = "REVERSE";
    public const string SetAsidePrefix = "REVERSE#SETASIDE#";

    private const string Kind = "reverse";
    private const int Format = 1;

    public static Dictionary<string, AttributeValue> ToItem(string pk, ReverseCheckpoint checkpoint) => new ControlItemBuilder(pk, SortKey, Kind, Format)
        .Set("streamArn", checkpoint.StreamArn)
        .Set("since", ControlItemBuilder.Time(checkpoint.Since))
        .Set("shards", new AttributeValue { M = checkpoint.Shards.ToDictionary(s => s.Key, s => new AttributeValue(s.Value)), IsMSet = true })
        .Set("items", checkpoint.Items)
        .Set("rows", checkpoint.Rows)
        .Set("toCompare", checkpoint.ToCompare)
        .Set("isCaughtUp", checkpoint.IsCaughtUp)
        .Set("upTo", ControlItemBuilder.Time(checkpoint.UpTo))
        .Set("savedAt", ControlItemBuilder.Time(checkpoint.SavedAt))
        .Build();

    public static ReverseCheckpoint FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new ReverseCheckpoint
        {
            StreamArn = item.String("streamArn"),
            Since = item.Time("since"),
            Shards = item.Map("shards"),
            Items = item.Long("items"),
            Rows = item.Long("rows"),
            ToCompare = item.Bool("toCompare"),
            IsCaughtUp = item.Bool("isCaughtUp"),
            UpTo = item.OptionalTime("upTo") ?? item.Time("savedAt"),
            SavedAt = item.Time("savedAt"),
        };
    }

    public static string SetAsideSortKey(SetAsideRow row) => $"{SetAsidePrefix}{row.Entity}#{SetAsideItem.Digest(row.Key)}";
}
