using System.Globalization;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary><c>ROUTE</c>: the route as it is; <c>ROUTE#{epoch}</c>: each that there was. Never deleted.</summary>
internal static class RouteItem
{
    public const string SortKey = "ROUTE";
    public const string Epoch = "epoch";

    /// <summary>Identity of the change: an answer that got lost is known by it.</summary>
    public const string Change = "change";

    private const string Kind = "route";
    private const int Format = 1;

    public static string HistorySortKey(long epoch) => string.Create(CultureInfo.InvariantCulture, $"{SortKey}#{epoch:D12}");

    public static Dictionary<string, AttributeValue> ToItem(string pk, string sk, Route route, string change) => new ControlItemBuilder(pk, sk, Kind, Format)
        .Set("state", route.State.ToString())
        .Set("backend", route.Backend.ToString())
        .Set(Epoch, route.Epoch)
        .Set("leaseMs", (long)route.Lease.TotalMilliseconds)
        .Set("actor", route.Actor)
        .Set("reason", route.Reason)
        .Set("at", ControlItemBuilder.Time(route.At))
        .Set(Change, change)
        .Build();

    public static Route FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new Route
        {
            State = item.Enum<RouteState>("state"),
            Backend = item.Enum<StoreBackend>("backend"),
            Epoch = item.Long(Epoch),
            Lease = TimeSpan.FromMilliseconds(item.Int("leaseMs", 100, 60_000)),
            Actor = item.String("actor"),
            Reason = item.String("reason"),
            At = item.Time("at"),
        };
    }
}
