using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>The request to compare an entity with the source as a whole, beside the running stream.</summary>
/// <param name="Request">Distinguishes it from a later one for the same entity.</param>
internal sealed record EntityRestart(string Entity, string Request);

/// <summary><c>SYNC#{run}#RESTART#{entity}</c>: an <see cref="EntityRestart"/>, until the checkpoint of the changes has it.</summary>
internal static class EntityRestartItem
{
    public const string Request = "request";
    private const string Kind = "entity-restart";
    private const int Format = 1;

    public static string Prefix(string runId) => $"{SyncItem.SortKey(runId)}#RESTART#";

    public static Dictionary<string, AttributeValue> ToItem(string pk, string runId, EntityRestart restart) =>
        new ControlItemBuilder(pk, Prefix(runId) + restart.Entity, Kind, Format).Set("entity", restart.Entity).Set(Request, restart.Request).Build();

    public static EntityRestart FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new EntityRestart(item.String("entity"), item.String(Request));
    }
}
