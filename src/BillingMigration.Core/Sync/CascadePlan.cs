using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Sync;

/// <summary>A foreign key by which a change of a parent row changes or deletes rows of a child, unseen by the binlog.</summary>
/// <param name="ChildColumns">Indexes in the child's row of the referencing columns.</param>
/// <param name="ParentColumns">Indexes in the parent's row of the referenced ones, in the same order.</param>
/// <param name="Deletes">ON DELETE CASCADE: the child goes with its parent.</param>
internal sealed record CascadeLink(EntityModel Child, int[] ChildColumns, int[] ParentColumns, bool OnDelete, bool OnUpdate, bool Deletes)
{
    /// <summary>True when the child's own primary key holds a part of the parent's.</summary>
    public bool MovesPrimaryKey => ChildColumns.Any(c => Child.PrimaryKey.Contains(c));
}

/// <summary>A parent row that was deleted, or has other referenced values now.</summary>
/// <param name="New">Null: deleted, or no children can have followed.</param>
/// <param name="IsDelete">The parent was deleted.</param>
internal sealed record CascadeTrigger(CascadeLink Link, ImmutableArray<byte[]> Old, ImmutableArray<byte[]>? New, bool IsDelete)
{
    /// <summary>The same trigger again finds the same children.</summary>
    public string Identity => $"{(IsDelete ? "-" : "")}{Link.Child.Entity} {string.Join(',', Link.ChildColumns)} {string.Join(',', Old.Select(Convert.ToHexString))} {(New is { } values ? string.Join(',', values.Select(Convert.ToHexString)) : "")}";
}

/// <summary>Which changes of which table reach into others, by the foreign keys of the migrated tables.</summary>
internal sealed class CascadePlan
{
    private readonly ILookup<EntityModel, CascadeLink> links;
    private readonly HashSet<string> strangers;

    public CascadePlan(BillingModel model)
    {
        var byTable = model.Entities.ToDictionary(e => e.Table.Name, StringComparer.OrdinalIgnoreCase);
        var keys = model.Entities.SelectMany(child => child.Table.ForeignKeys.Where(k => Acts(k.OnDelete) || Acts(k.OnUpdate)).Select(key => (child, key))).ToArray();
        links = keys.Where(k => byTable.ContainsKey(k.key.ReferencedTable)).ToLookup(
            k => byTable[k.key.ReferencedTable],
            k => new CascadeLink(
                k.child,
                [.. k.key.Columns.Select(c => EntityModel.Find(k.child.Row, null, c))],
                [.. k.key.ReferencedColumns.Select(c => EntityModel.Find(byTable[k.key.ReferencedTable].Row, null, c))],
                Acts(k.key.OnDelete),
                Acts(k.key.OnUpdate),
                k.key.OnDelete == "CASCADE"));
        FirstKey = keys.Length == 0 ? null : (keys[0].child.Table.Name, keys[0].key.Name);
        strangers = keys.Select(k => k.key.ReferencedTable).Where(t => !byTable.ContainsKey(t)).ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>One of the foreign keys that cascade, by its table and its name; null: there is none.</summary>
    public (string Child, string Name)? FirstKey { get; }

    /// <summary>True for a table that is not migrated, and whose changes reach into one that is.</summary>
    public bool IsStrangeParent(string table) => strangers.Contains(table);

    public bool HasLinks(EntityModel parent) => links.Contains(parent);

    /// <summary>Adds what a change of a parent row does to its children.</summary>
    /// <param name="after">Null: the row was deleted.</param>
    public void Collect(EntityModel parent, RowBuffer before, RowBuffer? after, List<CascadeTrigger> into)
    {
        foreach (var link in links[parent])
        {
            var acts = after is null ? link.OnDelete : link.OnUpdate;
            if (link.ParentColumns.Contains(-1) || link.ChildColumns.Contains(-1))
            {
                throw SyncErrors.CascadeColumnExcluded(parent.Table.Name, link.Child.Table.Name);
            }

            if (acts && !link.ParentColumns.Any(before.IsNull) && (after is null || BoundTable.Differ(before, after, link.ParentColumns)))
            {
                into.Add(new CascadeTrigger(link, Values(before, link.ParentColumns), after is null || link.ParentColumns.Any(after.IsNull) ? null : Values(after, link.ParentColumns), after is null));
            }
        }
    }

    /// <summary>
    /// Adds what a child that a trigger has reached does to its own children. That it is there now, and as before, proves nothing: it may have been deleted and
    /// inserted again, and what hung on it has gone all the same.
    /// </summary>
    /// <param name="now">As the source has it now; null: gone.</param>
    public void CollectBelow(CascadeTrigger trigger, RowBuffer old, RowBuffer? now, List<CascadeTrigger> into)
    {
        if (trigger.IsDelete && trigger.Link.Deletes)
        {
            Collect(trigger.Link.Child, old, null, into);
        }

        foreach (var link in links[trigger.Link.Child].Where(l => l.OnUpdate && l.ParentColumns.Intersect(trigger.Link.ChildColumns).Any() && !l.ParentColumns.Any(old.IsNull)))
        {
            into.Add(new CascadeTrigger(link, Values(old, link.ParentColumns), now is null || link.ParentColumns.Any(now.IsNull) ? null : Values(now, link.ParentColumns), false));
        }
    }

    private static ImmutableArray<byte[]> Values(RowBuffer row, int[] columns) => [.. columns.Select(c => row[c].ToArray())];

    private static bool Acts(string rule) => rule is "CASCADE" or "SET NULL" or "SET DEFAULT";
}
