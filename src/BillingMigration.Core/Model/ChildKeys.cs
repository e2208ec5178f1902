using System.Collections.Immutable;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>Which key of an entity finds all rows that refer to one parent: its partition key is made of the referring columns alone, and no row is left out of it.</summary>
internal static class ChildKeys
{
    public static bool Finds(KeyModel key, ImmutableArray<int> references, ImmutableArray<RowColumn> row) =>
        key.When is null && Finds(key.Index is not null, key.PartitionKey[0].Template, key.SortKey.Select(t => t.Template),
            part => part.Lookup is null && references.Any(r => row[r].Lookup is null && Same(row[r].Column.Name, part.Column)),
            part => EntityModel.Find(row, part.Lookup, part.Column) is >= 0 and var at && row[at].Column.Nullable);

    /// <summary>The same before an entity is bound to its table.</summary>
    public static bool Finds(EntityDefinition entity, TableSchema table, IReadOnlyCollection<string> references)
    {
        bool Refers(KeyColumn part) => part.Lookup is null && references.Any(r => Same(r, part.Column));
        bool MayBeNull(KeyColumn part) => part.Lookup is not null || table.FindColumn(part.Column) is { Nullable: true };
        return Finds(false, entity.PartitionKey, [entity.SortKey], Refers, MayBeNull)
            || entity.Indexes.Values.Any(i => i.When is null && Finds(true, i.PartitionKey[0], i.SortKey, Refers, MayBeNull));
    }

    private static bool Finds(bool isIndex, KeyTemplate partitionKey, IEnumerable<KeyTemplate> sortKey, Func<KeyColumn, bool> refers, Func<KeyColumn, bool> mayBeNull) =>
        partitionKey.Columns.Any() && partitionKey.Columns.All(refers)
        && (!isIndex || sortKey.Any(template => template.Columns.All(part => refers(part) || !mayBeNull(part))));

    private static bool Same(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);
}
