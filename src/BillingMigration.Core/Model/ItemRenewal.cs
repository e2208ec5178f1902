using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>
/// Finds the values of an item that are encrypted with another key than the current one. Needs no source: it asks the definition which columns are
/// encrypted.
/// </summary>
internal sealed class ItemRenewal
{
    private readonly AttributeCipher cipher;
    private readonly Dictionary<string, HashSet<string>> encrypted;

    public ItemRenewal(MigrationDefinition definition, AttributeCipher cipher)
    {
        this.cipher = cipher;

        // The source's own spelling of a column, which is the attribute's name, may be another than the definition's.
        encrypted = definition.Entities.ToDictionary(
            e => e.Entity,
            e => e.Columns.Where(c => c.Value.Encrypt).Select(c => c.Value.Attribute ?? c.Key).ToHashSet(StringComparer.OrdinalIgnoreCase),
            StringComparer.Ordinal);
    }

    /// <param name="Values">The attributes' new values.</param>
    /// <param name="Unreadable">Values that no key opens at their place.</param>
    public readonly record struct Stale(Dictionary<string, AttributeValue> Values, int Unreadable);

    public Stale Of(Dictionary<string, AttributeValue> item)
    {
        var (values, unreadable) = (new Dictionary<string, AttributeValue>(), 0);
        if (!item.TryGetValue(EntityModel.EntityAttribute, out var entity) || entity.S is null
            || !encrypted.TryGetValue(entity.S, out var names) || names.Count == 0)
        {
            return new Stale(values, 0);
        }

        var key = AttributeCipher.KeyOf(Encoding.UTF8.GetBytes(item[EntityModel.PartitionKey].S), Encoding.UTF8.GetBytes(item[EntityModel.SortKey].S));
        foreach (var (name, value) in item.Where(a => a.Value.B is not null && names.Contains(a.Key)))
        {
            var stored = value.B.ToArray();
            if (stored.Length > 0 && stored[0] == cipher.Number)
            {
                continue;
            }

            if (cipher.TryRenew(AttributeCipher.PlaceOf(entity.S, name), key, stored) is { } renewed)
            {
                values.Add(name, new AttributeValue { B = new MemoryStream(renewed) });
            }
            else
            {
                unreadable++;
            }
        }

        return new Stale(values, unreadable);
    }
}
