using System.Text.Json;

namespace BillingMigration.Simulation;

internal enum WriteKind
{
    Put,
    Update,
    Delete,
    ConditionCheck,
}

/// <summary>One write, or one check, that is ready to be applied: everything that can be refused without looking at the item has been.</summary>
internal sealed class ItemWrite
{
    private const int MaxItem = 400 * 1024;
    private readonly Bindings bindings;
    private readonly Condition? condition;
    private readonly ParsedUpdate? update;
    private readonly Item? item;

    private ItemWrite(WriteKind kind, JsonElement request, Table table, ExpressionCache expressions)
    {
        (Kind, Table) = (kind, table);
        RequestMembers.RefuseLegacy(request);
        bindings = new Bindings(request);
        condition = expressions.Condition(request, "ConditionExpression"u8, bindings);
        update = kind == WriteKind.Update ? expressions.Update(request, bindings) : null;
        bindings.RequireAllUsed();
        if (kind == WriteKind.Put)
        {
            item = ItemJson.ReadItem(request.Required("Item"u8));
            Key = table.Schema.KeyOf(item);
            RequireSize(item);
        }
        else
        {
            Key = table.Schema.KeyOf(request.Required("Key"u8));
        }

        if (update is not null)
        {
            ItemUpdate.Check(update, bindings, table.Schema);
        }

        ReturnsOldOnFailure = request.Text("ReturnValuesOnConditionCheckFailure"u8) == "ALL_OLD";
    }

    public WriteKind Kind { get; }

    public Table Table { get; }

    public ItemKey Key { get; }

    public bool ReturnsOldOnFailure { get; }

    /// <summary>The bytes of what the request itself carries: the item or its key, and the values of the expressions.</summary>
    public int RequestSize => (item ?? Table.Schema.KeyItem(Key)).Size + bindings.ValuesSize;

    public static ItemWrite Read(WriteKind kind, JsonElement request, Table table, ExpressionCache expressions) => new(kind, request, table, expressions);

    public bool ConditionHolds(Item? before) => condition is null || condition.Holds(before, bindings);

    public Item? Apply(Item? before)
    {
        switch (Kind)
        {
            case WriteKind.Put: return item;
            case WriteKind.Delete: return null;
            case WriteKind.ConditionCheck: return before;
            default: break;
        }

        var start = before ?? Table.Schema.KeyItem(Key);
        var after = update is null ? start : ItemUpdate.Apply(update, before, start, bindings);
        Table.Schema.CheckIndexKeys(after);
        RequireSize(after);
        return after;
    }

    /// <summary>The attributes that ReturnValues asks for.</summary>
    public Item? Returned(string? wanted, Item? before, Item? after) => wanted switch
    {
        "ALL_OLD" => before,
        "ALL_NEW" => after,
        "UPDATED_OLD" => Updated(before),
        "UPDATED_NEW" => Updated(after),
        _ => null,
    };

    public static void RequireSize(Item item)
    {
        if (item.Size > MaxItem)
        {
            throw ServiceError.Invalid("Item size has exceeded the maximum allowed size");
        }
    }

    private Item? Updated(Item? image)
    {
        if (image is null || update is null)
        {
            return null;
        }

        var part = Projection.Of(image, [.. update.Actions.Select(a => a.Path)], bindings);
        return part.Count == 0 ? null : part;
    }
}
