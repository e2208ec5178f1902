using System.Text.Json;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Decodes items of one entity to rows, and passes over those of others.</summary>
internal sealed class RowDecoder(EntityModel model)
{
    private readonly ItemDecoder decoder = new(model);

    /// <returns>Null for an item of another entity.</returns>
    public RowBuffer? TryDecode(ReadOnlySpan<byte> item)
    {
        if (!IsOfEntity(item))
        {
            return null;
        }

        var row = new RowBuffer(model.Row.Length);
        decoder.Decode(item, row);
        return row;
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
