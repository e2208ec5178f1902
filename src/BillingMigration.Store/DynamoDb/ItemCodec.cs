using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Rows and their items as the SDK takes them: the very items that the migration would have written.</summary>
internal sealed class ItemCodec
{
    private readonly ConcurrentDictionary<EntityModel, ConcurrentBag<ItemEncoder>> encoders = new();

    /// <param name="row">With its lookups' columns.</param>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: it cannot be an item.</exception>
    public Dictionary<string, AttributeValue> Encode(EntityModel model, RowBuffer row) => With(model, row, ItemImage.Parse);

    /// <summary>The item in DynamoDB JSON.</summary>
    public string Json(EntityModel model, RowBuffer row) => With(model, row, item => Encoding.UTF8.GetString(item.Span));

    /// <param name="json">As <see cref="Json"/> made it.</param>
    public static RowBuffer Decode(EntityModel model, string json) => new RowDecoder(model).TryDecode(Encoding.UTF8.GetBytes(json)) ?? throw new JsonException($"it is no item of {model.Entity}");

    public static Dictionary<string, AttributeValue> KeyOf(Dictionary<string, AttributeValue> item) =>
        new() { [EntityModel.PartitionKey] = item[EntityModel.PartitionKey], [EntityModel.SortKey] = item[EntityModel.SortKey] };

    public static Dictionary<string, AttributeValue> Attributes(ItemKey key) => new() { [EntityModel.PartitionKey] = new(key.Pk), [EntityModel.SortKey] = new(key.Sk) };

    public static ItemKey Key(Dictionary<string, AttributeValue> item) => new(item[EntityModel.PartitionKey].S, item[EntityModel.SortKey].S);

    /// <summary>Attributes of an item that the model does not know, because a process of a later schema has set them.</summary>
    public static KeyValuePair<string, AttributeValue>[] UnknownOf(EntityModel model, Dictionary<string, AttributeValue> item)
    {
        var known = model.Attributes.Select(a => a.Name)
            .Concat(model.Keys.SelectMany(k => new[] { k.PartitionKeyAttribute, k.SortKeyAttribute }))
            .Append(EntityModel.EntityAttribute)
            .ToHashSet();
        return [.. item.Where(a => !known.Contains(a.Key))];
    }

    public static bool IsSame(AttributeValue one, AttributeValue other) =>
        one.S == other.S && one.N == other.N && (one.B is null ? other.B is null : other.B is not null && one.B.ToArray().AsSpan().SequenceEqual(other.B.ToArray()));

    private T With<T>(EntityModel model, RowBuffer row, Func<ReadOnlyMemory<byte>, T> read)
    {
        var idle = encoders.GetOrAdd(model, _ => []);
        var encoder = idle.TryTake(out var known) ? known : new ItemEncoder(model);
        using var batch = new ItemBatch();
        var isItem = encoder.TryEncode(row, batch, out var refusal);
        idle.Add(encoder);
        return isItem
            ? read(batch.Item(0))
            : throw new StoreException(StoreError.ValueInvalid, model.Entity, $"{model.Entity} {model.Describe(row)} cannot be an item: {refusal.Reason}.");
    }
}
