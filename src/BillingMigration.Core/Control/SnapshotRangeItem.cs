using System.Globalization;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary><c>SNAPSHOT#{run}#RANGE#{entity}#{plan}#{number}</c>: a range of keys and its checkpoint.</summary>
internal static class SnapshotRangeItem
{
    private const string Kind = "range";
    private const int Format = 1;

    public static string Prefix(string runId, string entity, string plan) => $"SNAPSHOT#{runId}#RANGE#{entity}#{plan}#";

    public static string SortKey(string runId, string entity, string plan, int number) =>
        Prefix(runId, entity, plan) + number.ToString("D6", CultureInfo.InvariantCulture);

    public static Dictionary<string, AttributeValue> ToItem(string pk, string runId, string plan, SnapshotRange range) =>
        new ControlItemBuilder(pk, SortKey(runId, range.Entity, plan, range.Number), Kind, Format)
            .Set("entity", range.Entity)
            .Set("number", range.Number)
            .Set("from", range.From)
            .Set("to", range.To)
            .Set("cursor", range.Cursor)
            .Set("rows", range.Rows)
            .Set("items", range.Items)
            .Set("bytes", range.Bytes)
            .Set("setAside", range.SetAside)
            .Set("done", range.Done)
            .Build();

    public static SnapshotRange FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new SnapshotRange
        {
            Entity = item.String("entity"),
            Number = item.Int("number", 0, int.MaxValue),
            From = item.OptionalTexts("from"),
            To = item.OptionalTexts("to"),
            Cursor = item.OptionalTexts("cursor"),
            Rows = item.Long("rows"),
            Items = item.Long("items"),
            Bytes = item.Long("bytes"),
            SetAside = item.Long("setAside"),
            Done = item.Bool("done"),
        };
    }
}
