using System.Runtime.CompilerServices;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Decodes items of one entity to rows, and passes over those of others. A column that the item does not have because it was written by a process of an earlier schema is what ALTER TABLE would have
/// made it: its default, where it may not be NULL.
/// </summary>
internal sealed class RowDecoder
{
    private static readonly ConditionalWeakTable<EntityModel, Dictionary<int, byte[]>> Known = [];

    private readonly EntityModel model;
    private readonly ItemDecoder decoder;
    private readonly Dictionary<int, byte[]> defaults;
    private readonly bool hasLookups;

    public RowDecoder(EntityModel model)
    {
        this.model = model;
        decoder = new ItemDecoder(model) { IgnoresUnknown = true };
        defaults = DefaultsOf(model);
        hasLookups = model.Row.Any(c => c.Lookup is not null);
    }

    /// <summary>Columns that an item need not have though they may not be NULL, with what they are then; by their index in the row's layout.</summary>
    public static Dictionary<int, byte[]> DefaultsOf(EntityModel model) => Known.GetValue(model, static of => of.Attributes
        .Where(a => a.Column is { Nullable: false, Default: not null, DefaultIsExpression: false, Generated: GeneratedColumn.No })
        .ToDictionary(a => a.RowIndex, a => StoreValue.ToText(of, a.RowIndex, a.Column.Default!)));

    /// <returns>Null for an item of another entity.</returns>
    public RowBuffer? TryDecode(ReadOnlySpan<byte> item)
    {
        if (!IsOfEntity(item))
        {
            return null;
        }

        var row = new RowBuffer(model.Row.Length);
        decoder.Decode(item, row);
        foreach (var (index, value) in defaults)
        {
            if (row.IsNull(index))
            {
                row.Set(index, value);
            }
        }

        if (hasLookups)
        {
            ReadLookups(ItemKey.Of(item), row);
        }

        return row;
    }

    /// <summary>No attribute holds what a lookup has found; the item's key does, also when the parent is gone.</summary>
    private void ReadLookups(ItemKey item, RowBuffer row)
    {
        var (key, read) = (model.Keys[0], row.Copy());
        bool IsLookup(int column) => model.Row[column].Lookup is not null;
        key.PartitionKey[0].Read(item.Pk, read, IsLookup);
        key.SortKey[0].Read(item.Sk, read, IsLookup);
        if (RowFinder.KeyOf(model, read, null) == item)
        {
            foreach (var column in Enumerable.Range(0, model.Row.Length).Where(i => IsLookup(i) && !read.IsNull(i)))
            {
                row.Take(column, read, column);
            }
        }
    }

    private bool IsOfEntity(ReadOnlySpan<byte> item)
    {
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isEntity = json.ValueTextEquals("entity"u8);
            json.Read();
            if (!isEntity)
            {
                json.Skip();
                continue;
            }

            json.Read();
            json.Read();
            return json.ValueTextEquals(model.Entity);
        }

        return false;
    }
}
