using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>The bytes that may stand in an item for a row's values: while the data key rotates, an encrypted value may be under any of the keys.</summary>
/// <param name="item">The row as an item.</param>
internal sealed class StoredForms(EntityModel entity, Dictionary<string, AttributeValue> item)
{
    private byte[]? key;

    public AttributeValue[] Of(AttributeModel attribute)
    {
        var value = item[attribute.Name];
        return attribute.Encrypted && entity.Cipher is { Ring.Keys.Count: > 1 } cipher ? [value, .. Others(cipher, attribute.Name, value)] : [value];
    }

    private IEnumerable<AttributeValue> Others(AttributeCipher cipher, string name, AttributeValue value)
    {
        key ??= AttributeCipher.KeyOf(Encoding.UTF8.GetBytes(item[EntityModel.PartitionKey].S), Encoding.UTF8.GetBytes(item[EntityModel.SortKey].S));
        return cipher.Others(AttributeCipher.PlaceOf(entity.Entity, name), key, value.B.ToArray())
            .Select(other => new AttributeValue { B = new MemoryStream(other) });
    }
}
