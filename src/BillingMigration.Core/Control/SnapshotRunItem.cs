using System.Collections.Immutable;
using System.IO.Compression;
using System.Text;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>
/// <c>SNAPSHOT#{run}</c>: a run. Its <c>plans</c> map says for each planned entity which plan holds: workers that plan the same entity at the
/// same time write their ranges under different plan ids, and the first to enter its id here wins.
/// </summary>
internal sealed record SnapshotRunItem(SnapshotRun Run, ImmutableSortedDictionary<string, string> Plans)
{
    public const string Plan = "plans";
    public const string State = "state";
    public const string End = "end";
    public const string CompletedAt = "completedAt";
    public const string ModelDigest = "modelDigest";
    public const string Model = "model";
    private const string Kind = "snapshot";
    private const int Format = 1;

    public static string SortKey(string runId) => $"SNAPSHOT#{runId}";

    public static Dictionary<string, AttributeValue> ToItem(string pk, SnapshotRun run) =>
        new ControlItemBuilder(pk, SortKey(run.RunId), Kind, Format)
            .Set("runId", run.RunId)
            .Set("startedAt", ControlItemBuilder.Time(run.StartedAt))
            .Set("start", ControlItemBuilder.Position(run.Start))
            .Set(State, run.State.ToString())
            .Set("shardCount", run.ShardCount)
            .Set(ModelDigest, run.ModelDigest)
            .Set(Model, run.ModelParts is { } parts ? Packed(parts) : null)
            .Set("sweep", run.Sweep)
            .Set(Plan, new AttributeValue { M = [], IsMSet = true })
            .Build();

    public static SnapshotRunItem FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        var plans = item.Map(Plan);
        var run = new SnapshotRun
        {
            RunId = item.String("runId"),
            StartedAt = item.Time("startedAt"),
            Start = item.Position("start"),
            End = item.OptionalPosition(End),
            State = item.Enum<SnapshotState>(State),
            CompletedAt = item.OptionalTime(CompletedAt),
            ShardCount = item.Int("shardCount", 1, 1000),
            ModelDigest = item.String(ModelDigest),
            ModelParts = attributes.TryGetValue(Model, out var packed) ? Unpacked(packed) : null,
            Sweep = item.OptionalBool("sweep"),
            PlannedEntities = [.. plans.Keys],
        };
        return new SnapshotRunItem(run, plans);
    }

    /// <summary>Hundreds of tables in one item of at most 400 KB.</summary>
    private static AttributeValue Packed(string text)
    {
        var bytes = new MemoryStream();
        using (var brotli = new BrotliStream(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            brotli.Write(Encoding.UTF8.GetBytes(text));
        }

        bytes.Position = 0;
        return new AttributeValue { B = bytes };
    }

    private static string Unpacked(AttributeValue packed)
    {
        using var reader = new StreamReader(new BrotliStream(packed.B, CompressionMode.Decompress), Encoding.UTF8);
        return reader.ReadToEnd();
    }
}

/// <summary><c>SNAPSHOT</c>: which run is the migration's current one.</summary>
internal static class CurrentSnapshotItem
{
    public const string SortKey = "SNAPSHOT";
    public const string RunId = "runId";
    private const string Kind = "current-snapshot";
    private const int Format = 1;

    public static Dictionary<string, AttributeValue> ToItem(string pk, string runId) =>
        new ControlItemBuilder(pk, SortKey, Kind, Format).Set(RunId, runId).Build();

    public static string FromItem(Dictionary<string, AttributeValue> attributes) => new ControlItem(attributes, Kind, Format).String(RunId);
}
