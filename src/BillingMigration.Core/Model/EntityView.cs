using System.Collections.Immutable;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>An entity as a view shows it: the other columns are not migrated, as far as the view goes, and neither are keys that are made of them.</summary>
internal static class EntityView
{
    public static EntityDefinition Of(EntityDefinition entity, TableSchema table, ViewDefinition view)
    {
        if (table.PrimaryKey.FirstOrDefault(c => !view.Shows(entity.Entity, c)) is { } hiddenKey)
        {
            throw EntityModel.Misfit(entity, $"is shown by a view without the column {hiddenKey} of its primary key");
        }

        bool Shown(string column) => view.Shows(entity.Entity, column);
        bool IsShown(IndexKeyDefinition key) => key.PartitionKey.Concat(key.SortKey).SelectMany(t => t.Columns).All(c => c.Lookup is null && Shown(c.Column)) && (key.When is null || Shown(key.When.Column));
        var hidden = table.Columns.Select(c => c.Name).Where(c => !Shown(c));
        return entity with
        {
            Columns = entity.Columns.SetItems(hidden.Select(c => KeyValuePair.Create(c, new ColumnDefinition { Exclude = true }))),
            Indexes = entity.Indexes.Where(i => IsShown(i.Value)).ToImmutableSortedDictionary(),
        };
    }
}
