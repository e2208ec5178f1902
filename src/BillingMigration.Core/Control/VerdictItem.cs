using System.Globalization;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary><c>INTEGRITY#{run}#VERDICT#{id}</c>, <c>…#LAST</c> and <c>…#GOOD</c>: what a check of the data has found.</summary>
internal static class VerdictItem
{
    private const string Kind = "integrity-verdict";
    private const int Format = 1;

    public static string SortKey(string runId, string id) => $"INTEGRITY#{runId}#VERDICT#{id}";

    public static string LastSortKey(string runId) => $"INTEGRITY#{runId}#LAST";

    public static string GoodSortKey(string runId) => $"INTEGRITY#{runId}#GOOD";

    public static Dictionary<string, AttributeValue> ToItem(string pk, string sk, IntegrityVerdict verdict) => new ControlItemBuilder(pk, sk, Kind, Format)
        .Set("id", verdict.Id)
        .Set("runId", verdict.RunId)
        .Set("method", verdict.Method.ToString())
        .Set("outcome", verdict.Outcome.ToString())
        .Set("reason", verdict.Reason)
        .Set("scope", verdict.Scope)
        .Set("from", ControlItemBuilder.Position(verdict.From))
        .Set("to", ControlItemBuilder.Position(verdict.To))
        .Set("exact", verdict.Exact)
        .Set("modelDigest", verdict.ModelDigest)
        .Set("startedAt", ControlItemBuilder.Time(verdict.StartedAt))
        .Set("endedAt", ControlItemBuilder.Time(verdict.EndedAt))
        .Set("strangers", verdict.Strangers)
        .Set("orphans", verdict.Orphans)
        .Set("undecided", verdict.Undecided)
        .Set("milliReadUnits", (long)Math.Round(verdict.ReadUnits * 1000))
        .Set("isWhole", verdict.IsWhole)
        .Set("entities", (System.Collections.Immutable.ImmutableArray<string>?)[.. verdict.Entities.Select(Text)])
        .Build();

    public static IntegrityVerdict FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new IntegrityVerdict
        {
            Id = item.String("id"),
            RunId = item.String("runId"),
            Method = item.Enum<IntegrityMethod>("method"),
            Outcome = item.Enum<IntegrityOutcome>("outcome"),
            Reason = item.OptionalString("reason"),
            Scope = item.String("scope"),
            From = item.Position("from"),
            To = item.Position("to"),
            Exact = item.Bool("exact"),
            ModelDigest = item.String("modelDigest"),
            StartedAt = item.Time("startedAt"),
            EndedAt = item.Time("endedAt"),
            Strangers = item.Long("strangers"),
            Orphans = item.Long("orphans"),
            Undecided = item.Long("undecided"),
            ReadUnits = item.Long("milliReadUnits") / 1000.0,
            IsWhole = item.Bool("isWhole"),
            Entities = [.. (item.OptionalTexts("entities") ?? []).Select(text => Figures(text, item))],
        };
    }

    private static string Text(EntityFigures e) => string.Create(
        CultureInfo.InvariantCulture,
        $"{e.Entity}|{e.SourceTable}|{e.Rows}|{e.Items}|{e.RowsExact}|{e.ItemsExact}|{e.Missing}|{e.Extra}|{e.Different}|{e.SetAside}");

    private static EntityFigures Figures(string text, ControlItem item)
    {
        // The name of a table may hold the separator; everything else cannot.
        var parts = text.Split('|');
        var last = parts.Length;
        try
        {
            long Number(int fromEnd) => long.Parse(parts[last - fromEnd], CultureInfo.InvariantCulture);
            return new EntityFigures(
                parts[0], string.Join('|', parts[1..(last - 8)]), Number(8), Number(7), bool.Parse(parts[last - 6]), bool.Parse(parts[last - 5]), Number(4), Number(3), Number(2), Number(1));
        }
        catch (Exception e) when (e is FormatException or IndexOutOfRangeException or ArgumentException)
        {
            throw item.Unreadable("the figures of an entity are malformed");
        }
    }
}
