using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>A row's value of a unique key.</summary>
/// <param name="Columns">Indexes in the row's layout.</param>
/// <param name="Text">Equal for values that the source takes for equal.</param>
internal sealed record UniqueValue(string Entity, string Constraint, ImmutableArray<int> Columns, string Text)
{
    public const string PrimaryKey = "PRIMARY";

    public bool Equals(UniqueValue? other) => other is not null && (Entity, Constraint, Text) == (other.Entity, other.Constraint, other.Text);

    public override int GetHashCode() => HashCode.Combine(Entity, Constraint, Text);

    /// <summary>True where the key of a row's item has more in it than the primary key, or tells rows apart that the source takes for one.</summary>
    public static bool HasPrimaryKey(EntityModel model)
    {
        var own = model.Keys[0].PartitionKey.Concat(model.Keys[0].SortKey).SelectMany(t => t.RowIndexes).ToHashSet();
        return !own.SetEquals(model.PrimaryKey) || model.PrimaryKey.Any(c => model.ComparesByCollation(c) && !model.Keys[0].IsCollated(c));
    }

    /// <summary>Unique keys of a row that its item's own key does not keep unique; those with a NULL in them never clash.</summary>
    public static IEnumerable<UniqueValue> Of(EntityModel model, RowBuffer row)
    {
        var keys = model.Table.WholeUniqueKeys().Where(k => !model.Table.PrimaryKey.All(p => k.Columns.Contains(p, StringComparer.OrdinalIgnoreCase)))
            .Select(k => (k.Name, Columns: k.Columns.Select(c => EntityModel.Find(model.Row, null, c)).ToArray()));
        if (HasPrimaryKey(model))
        {
            keys = keys.Prepend((PrimaryKey, [.. model.PrimaryKey]));
        }

        return keys.Where(k => k.Columns.All(c => c >= 0 && !row.IsNull(c)))
            .Select(k => new UniqueValue(model.Entity, k.Name, [.. k.Columns], JoinedText.Of(k.Columns.Select(c => ComparedText.Of(model.Row[c].Column, row[c])))));
    }
}
