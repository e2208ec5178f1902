using System.Collections.Immutable;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>A way by which rows of a table change with a row of another, unseen by the binlog, that no key follows.</summary>
/// <param name="Columns">The columns that refer to the parent.</param>
/// <param name="By">The foreign key or lookup, as the operator knows it.</param>
internal sealed record UnfoundChildren(ImmutableArray<string> Columns, string Parent, string By);

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

    /// <summary>What only a read of the whole table would find.</summary>
    public static IEnumerable<UnfoundChildren> Unfound(EntityDefinition entity, TableSchema table)
    {
        // Which texts are equal, a collation decides: their entity is compared as a whole.
        bool IsFollowed(IEnumerable<string> columns) => columns.All(c => table.FindColumn(c) is { CharacterSet: null, Collation: null });
        var own = entity.PartitionKey.Columns.Concat(entity.SortKey.Columns).Where(p => p.Lookup is null).Select(p => p.Column).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var used = entity.Indexes.Values.SelectMany(i => i.PartitionKey.Concat(i.SortKey)).Append(entity.PartitionKey).Append(entity.SortKey).SelectMany(t => t.Columns).Select(c => c.Lookup).ToHashSet();
        var keys = table.ForeignKeys.Where(k => k.ActsUnseen && (ForeignKeySchema.Acts(k.OnDelete) || k.Columns.Any(own.Contains)))
            .Select(k => new UnfoundChildren(k.Columns, k.ReferencedTable, $"by the foreign key {k.Name} (ON DELETE {k.OnDelete}, ON UPDATE {k.OnUpdate})"));
        var lookups = entity.Lookups.Where(l => used.Contains(l.Key)).Select(l => new UnfoundChildren([.. l.Value.On.Keys], l.Value.Table, $"by the lookup {l.Key}"));
        return keys.Concat(lookups).Where(way => IsFollowed(way.Columns) && !Finds(entity, table, way.Columns));
    }

    private static bool Finds(bool isIndex, KeyTemplate partitionKey, IEnumerable<KeyTemplate> sortKey, Func<KeyColumn, bool> refers, Func<KeyColumn, bool> mayBeNull) =>
        partitionKey.Columns.Any() && partitionKey.Columns.All(refers)
        && (!isIndex || sortKey.Any(template => template.Columns.All(part => refers(part) || !mayBeNull(part))));

    private static bool Same(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);
}
