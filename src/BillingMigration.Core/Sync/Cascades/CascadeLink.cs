using System.Collections.Immutable;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Sync.Cascades;

/// <summary>A foreign key of a migrated table on another one, whose cascade the source may carry out without logging it.</summary>
/// <param name="ParentColumns">Referenced columns, as indexes in the parent's row.</param>
/// <param name="ChildColumns">Referencing columns in the same order, as indexes in the child's row.</param>
internal sealed record CascadeLink(EntityModel Parent, EntityModel Child, ForeignKeySchema Key, ImmutableArray<int> ParentColumns, ImmutableArray<int> ChildColumns)
{
    private const string Cascade = "CASCADE";
    private const string SetNull = "SET NULL";

    public bool DeletesWithParent => Key.OnDelete == Cascade;

    public bool ActsOnDelete => Key.OnDelete is Cascade or SetNull;

    public bool ActsOnUpdate => Key.OnUpdate is Cascade or SetNull;

    /// <summary>True when the child's own identity moves with the parent's: rows are then looked for under their new key too.</summary>
    public bool MovesPrimaryKey => ChildColumns.Any(c => Child.PrimaryKey.Contains(c));

    /// <summary>All such foreign keys of a model.</summary>
    /// <exception cref="MigrationException">
    /// <c>CascadeNotFollowed</c>: a cascade comes from a table that is not migrated, or over a column that is not.
    /// </exception>
    public static ImmutableArray<CascadeLink> Of(BillingModel model)
    {
        var links = ImmutableArray.CreateBuilder<CascadeLink>();
        foreach (var child in model.Entities)
        {
            foreach (var key in child.Table.ForeignKeys.Where(k => k.OnDelete is Cascade or SetNull || k.OnUpdate is Cascade or SetNull))
            {
                var parent = model.Entities.FirstOrDefault(e => string.Equals(e.Table.Name, key.ReferencedTable, StringComparison.OrdinalIgnoreCase))
                    ?? throw NotFollowed(child, key, $"the table {key.ReferencedTable} is not migrated");
                ImmutableArray<int> parentColumns = [.. key.ReferencedColumns.Select(c => EntityModel.Find(parent.Row, null, c))];
                ImmutableArray<int> childColumns = [.. key.Columns.Select(c => EntityModel.Find(child.Row, null, c))];
                links.Add(parentColumns.Contains(-1) || childColumns.Contains(-1)
                    ? throw NotFollowed(child, key, "one of its columns is excluded in migration.json")
                    : new CascadeLink(parent, child, key, parentColumns, childColumns));
            }
        }

        return links.ToImmutable();
    }

    private static MigrationException NotFollowed(EntityModel child, ForeignKeySchema key, string why) => new(
        "CascadeNotFollowed", MigrationErrorKind.WrongState,
        $"The source does not log what the foreign key {key.Name} of {child.Table.Name} changes by cascade (ON DELETE {key.OnDelete}, ON UPDATE {key.OnUpdate}), and it cannot be derived: {why}. Migrate the table and the columns, or use a source that logs cascades (MySQL 9.6 or later without innodb_native_foreign_keys).",
        key.Name);
}

/// <summary>A parent's row was deleted, or its referenced columns changed: what hangs on it is looked at again.</summary>
/// <param name="Old">Referenced values before the change, one for each column of the link.</param>
/// <param name="New">After an update; null for a delete, and where one of them is NULL.</param>
internal sealed record CascadeChange(CascadeLink Link, ImmutableArray<byte[]> Old, ImmutableArray<byte[]>? New, bool IsDelete)
{
    /// <returns>Null when the change does nothing to the link's children.</returns>
    public static CascadeChange? Of(CascadeLink link, RowBuffer before, RowBuffer? after)
    {
        if (Values(before, link.ParentColumns) is not { } old || (after is null ? !link.ActsOnDelete : !link.ActsOnUpdate))
        {
            return null;
        }

        var changed = after is null || link.ParentColumns.Any(c => after.IsNull(c) || !after[c].SequenceEqual(before[c]));
        return changed ? new CascadeChange(link, old, after is null ? null : Values(after, link.ParentColumns), after is null) : null;
    }

    /// <summary>A child that was found: what hangs on it in turn.</summary>
    public CascadeChange? Below(CascadeLink next, RowBuffer child) =>
        ((IsDelete && Link.DeletesWithParent) || next.ParentColumns.Intersect(Link.ChildColumns).Any()) && Values(child, next.ParentColumns) is { } old
            ? new CascadeChange(next, old, null, IsDelete && Link.DeletesWithParent)
            : null;

    private static ImmutableArray<byte[]>? Values(RowBuffer row, ImmutableArray<int> columns)
    {
        // A foreign key with a NULL references nothing.
        foreach (var column in columns)
        {
            if (row.IsNull(column))
            {
                return null;
            }
        }

        return [.. columns.Select(c => row[c].ToArray())];
    }
}
