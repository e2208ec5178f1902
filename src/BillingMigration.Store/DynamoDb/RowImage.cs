using System.Runtime.CompilerServices;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// The condition that a row is still as it was read, column by column. An expression has at most 300 operators and 4 KB
/// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html): rows of more columns are held by the version of their
/// partition instead.
/// </summary>
internal static class RowImage
{
    private const int MostOperators = 280;
    private const int MostBytes = 3_800;

    private static readonly ConditionalWeakTable<EntityModel, StrongBox<double>> Shares = [];

    /// <summary>True where a condition on all columns does not fit.</summary>
    public static bool IsWide(EntityModel entity) => ShareOf(entity) > 1;

    /// <summary>True where another process may hold rows by the version, because it knows more columns: it is moved with each of them.</summary>
    public static bool MayBeWide(EntityModel entity) => ShareOf(entity) > 0.3;

    /// <param name="item">The row as an item.</param>
    /// <param name="unknown">Attributes that the model does not know, which must still be so too.</param>
    public static ItemCondition Is(EntityModel entity, Dictionary<string, AttributeValue> item, IEnumerable<KeyValuePair<string, AttributeValue>>? unknown = null)
    {
        var defaults = RowDecoder.DefaultsOf(entity);
        var forms = new StoredForms(entity, item);
        var exact = entity.Attributes.Where(a => item.ContainsKey(a.Name) && !defaults.ContainsKey(a.RowIndex)).Select(a => KeyValuePair.Create(a.Name, forms.Of(a)));
        var condition = ItemCondition.Has(exact.Concat((unknown ?? []).Select(a => KeyValuePair.Create(a.Key, new[] { a.Value }))), entity.Attributes.Where(a => !item.ContainsKey(a.Name) && !defaults.ContainsKey(a.RowIndex)).Select(a => a.Name));
        foreach (var attribute in entity.Attributes.Where(a => defaults.ContainsKey(a.RowIndex) && item.ContainsKey(a.Name)))
        {
            condition = condition.AndIsOrAbsent(attribute.Name, forms.Of(attribute));
        }

        return condition;
    }

    private static double ShareOf(EntityModel entity) => Shares.GetValue(entity, static of =>
    {
        var defaults = RowDecoder.DefaultsOf(of);
        var (operators, bytes) = (2, 0);
        foreach (var attribute in of.Attributes)
        {
            // "attribute_not_exists(#123) AND ", or with a value besides.
            var hasDefault = defaults.ContainsKey(attribute.RowIndex);
            // Its value may be under any of the keys: " IN (:123,:124,:125,:126)".
            var others = attribute.Encrypted ? KeyRing.MostKeys - 1 : 0;
            (operators, bytes) = (operators + (hasDefault ? 4 : 2) + others, bytes + (hasDefault ? 46 : 31) + (others * 7));
        }

        return new StrongBox<double>(Math.Max((double)operators / MostOperators, (double)bytes / MostBytes));
    }).Value;
}
