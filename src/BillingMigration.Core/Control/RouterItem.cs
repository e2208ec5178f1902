using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary><c>ROUTER#{id}</c>: a routed store that writes. Its word that its writes wait is all that a switch needs of it.</summary>
/// <param name="Id">Of the store, not of its process: a process may have several.</param>
/// <param name="Holder">Process, account and machine, for the operator.</param>
/// <param name="Epoch">
/// Of the route: up to this one no drain is without its word that its writes wait and all that it has sent is answered. It never goes back.
/// </param>
/// <param name="Ready">Epoch of a route that announces a switch, under which the store has opened the side that calls would go to; 0: of none.</param>
internal sealed record RouterItem(string Id, string Holder, long Epoch, long Ready = 0)
{
    public const string Prefix = "ROUTER#";
    public const string EpochName = "epoch";
    public const string ReadyName = "ready";

    private const string Kind = "router";
    private const int Format = 1;

    public static string SortKey(string id) => Prefix + id;

    public Dictionary<string, AttributeValue> ToItem(string pk) => new ControlItemBuilder(pk, SortKey(Id), Kind, Format)
        .Set("id", Id)
        .Set("holder", Holder)
        .Set(EpochName, Epoch)
        .Set(ReadyName, Ready)
        .Build();

    public static RouterItem FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new RouterItem(item.String("id"), item.String("holder"), item.Long(EpochName), item.OptionalLong(ReadyName) ?? 0);
    }
}
