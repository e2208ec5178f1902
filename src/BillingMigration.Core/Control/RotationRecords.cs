using System.Collections;
using System.Globalization;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>
/// How far the last rotation of the data key is. A pass reads the whole table in segments and rewrites values under other keys; it is the last one when
/// it finds none.
/// </summary>
public sealed record RotationCheckpoint
{
    /// <summary>Number of the key that all values are to be encrypted with, 1 to 255.</summary>
    public required int Number { get; init; }

    /// <summary>Of the passes, from 1 on.</summary>
    public required int Pass { get; init; }

    public required DateTimeOffset PassStartedAt { get; init; }

    /// <summary>One bit for each segment of the pass: it was read to its end.</summary>
    public required BitArray Segments { get; init; }

    /// <summary>Items of the pass that had values under other keys.</summary>
    public long Found { get; init; }

    /// <summary>Values that no key opens at their place, as the pass has seen them.</summary>
    public long Unreadable { get; init; }

    /// <summary>Items rewritten, by all passes.</summary>
    public long Rewritten { get; init; }

    /// <summary>A whole pass has found none.</summary>
    public bool IsComplete { get; init; }

    public required DateTimeOffset SavedAt { get; init; }

    public static RotationCheckpoint Begin(int number, int pass, int segments, DateTimeOffset now) =>
        new() { Number = number, Pass = pass, PassStartedAt = now, Segments = new BitArray(segments), SavedAt = now };
}

/// <summary><c>ROTATION</c>: the checkpoint.</summary>
internal static class RotationItem
{
    public const string SortKey = "ROTATION";

    private const string Kind = "rotation";
    private const int Format = 1;

    public static Dictionary<string, AttributeValue> ToItem(string pk, RotationCheckpoint checkpoint)
    {
        var bits = new byte[(checkpoint.Segments.Length + 7) / 8];
        checkpoint.Segments.CopyTo(bits, 0);
        return new ControlItemBuilder(pk, SortKey, Kind, Format)
            .Set("number", checkpoint.Number)
            .Set("pass", checkpoint.Pass)
            .Set("passStartedAt", ControlItemBuilder.Time(checkpoint.PassStartedAt))
            .Set("segments", string.Create(CultureInfo.InvariantCulture, $"{checkpoint.Segments.Length}:{Convert.ToBase64String(bits)}"))
            .Set("found", checkpoint.Found)
            .Set("unreadable", checkpoint.Unreadable)
            .Set("rewritten", checkpoint.Rewritten)
            .Set("isComplete", checkpoint.IsComplete)
            .Set("savedAt", ControlItemBuilder.Time(checkpoint.SavedAt))
            .Build();
    }

    public static RotationCheckpoint FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        var parts = item.String("segments").Split(':');
        return new RotationCheckpoint
        {
            Number = item.Int("number", 1, byte.MaxValue),
            Pass = item.Int("pass", 1, int.MaxValue),
            PassStartedAt = item.Time("passStartedAt"),
            Segments = new BitArray(Convert.FromBase64String(parts[1])) { Length = int.Parse(parts[0], CultureInfo.InvariantCulture) },
            Found = item.Long("found"),
            Unreadable = item.Long("unreadable"),
            Rewritten = item.Long("rewritten"),
            IsComplete = item.Bool("isComplete"),
            SavedAt = item.Time("savedAt"),
        };
    }
}
