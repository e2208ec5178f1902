using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Sync;

/// <summary>What a foreign key does to the child when its parent is deleted, or has other referenced values.</summary>
internal enum CascadeAction
{
    /// <summary>RESTRICT, NO ACTION: there were no children, or the parent's change would have been refused.</summary>
    None,

    /// <summary>The child is deleted.</summary>
    Delete,

    /// <summary>All columns of the child's foreign key become NULL.</summary>
    SetNull,

    /// <summary>The child's columns take the parent's new values.</summary>
    Update,

    /// <summary>The child's columns take the NULL that its parent took in turn.</summary>
    UpdateToNull,
}

/// <summary>A foreign key by which a change of a parent row changes or deletes rows of a child, unseen by the binlog.</summary>
/// <param name="Name">The foreign key's name.</param>
/// <param name="ChildColumns">Indexes in the child's row of the columns that hold the parent's values.</param>
/// <param name="ParentColumns">Indexes in the parent's row of the values, in the same order.</param>
/// <param name="KeyColumns">Indexes in the child's row of all columns of its foreign key: while one of them is NULL it refers to nothing.</param>
internal sealed record CascadeLink(
    string Name, EntityModel Child, ImmutableArray<int> ChildColumns, ImmutableArray<int> ParentColumns, ImmutableArray<int> KeyColumns, CascadeAction OnDelete, CascadeAction OnUpdate)
{
    public static bool Acts(ForeignKeySchema key) => Action(key.OnDelete, CascadeAction.Delete) != CascadeAction.None || Action(key.OnUpdate, CascadeAction.Update) != CascadeAction.None;

    public static CascadeLink Of(EntityModel child, ForeignKeySchema key, EntityModel parent)
    {
        ImmutableArray<int> columns = [.. key.Columns.Select(c => EntityModel.Find(child.Row, null, c))];
        return new CascadeLink(
            key.Name, child, columns, [.. key.ReferencedColumns.Select(c => EntityModel.Find(parent.Row, null, c))], columns,
            Action(key.OnDelete, CascadeAction.Delete), Action(key.OnUpdate, CascadeAction.Update));
    }

    /// <summary>The way through this link's child to its own child, for a root whose values stand in both.</summary>
    /// <param name="columns">Columns of the further child that hold the root's values.</param>
    public CascadeLink Then(CascadeLink further, ImmutableArray<int> columns) => new(
        further.Name, further.Child, columns, ParentColumns, further.KeyColumns, Further(OnDelete, further), Further(OnUpdate, further));

    /// <exception cref="MigrationException"><c>CascadeNotCaptured</c>.</exception>
    public void EnsureFollowable(EntityModel parent)
    {
        if (ParentColumns.Contains(-1) || KeyColumns.Contains(-1))
        {
            throw SyncErrors.CascadeColumnExcluded(parent.Table.Name, Child.Table.Name);
        }

        // A collation takes texts for equal whose bytes differ; only the source can tell which.
        if (ChildColumns.Any(c => Child.Row[c].Column.CharacterSet is not null))
        {
            throw SyncErrors.CascadeByText(parent.Table.Name, Child.Table.Name, Name);
        }
    }

    /// <summary>True when the row holds the values, and nothing else keeps it from referring to them.</summary>
    public bool Refers(RowBuffer row, ImmutableArray<byte[]> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (!row[ChildColumns[i]].SequenceEqual(values[i]))
            {
                return false;
            }
        }

        return !KeyColumns.Any(row.IsNull);
    }

    private static CascadeAction Action(string rule, CascadeAction cascade) => rule switch
    {
        "CASCADE" => cascade,
        "SET NULL" => CascadeAction.SetNull,
        _ => CascadeAction.None,
    };

    private static CascadeAction Further(CascadeAction mine, CascadeLink further) => mine switch
    {
        CascadeAction.Delete => further.OnDelete,
        CascadeAction.Update => further.OnUpdate,
        CascadeAction.None => CascadeAction.None,
        _ => further.OnUpdate == CascadeAction.Update ? CascadeAction.UpdateToNull : further.OnUpdate,
    };
}

/// <summary>A parent row that was deleted, or has other referenced values now.</summary>
/// <param name="New">Null: it was deleted. A value in it is null where the parent's is NULL now.</param>
internal sealed record CascadeTrigger(CascadeLink Link, ImmutableArray<byte[]> Old, ImmutableArray<byte[]?>? New)
{
    public CascadeAction Action => New is null ? Link.OnDelete : Link.OnUpdate;

    /// <summary>Does to a row what the foreign key does; false when the row is deleted.</summary>
    public bool Apply(RowBuffer row)
    {
        switch (Action)
        {
            case CascadeAction.Delete:
                return false;
            case CascadeAction.SetNull:
                foreach (var column in Link.KeyColumns)
                {
                    row.SetNull(column);
                }

                break;
            default:
                for (var i = 0; i < Link.ChildColumns.Length; i++)
                {
                    if (Action == CascadeAction.UpdateToNull || New?[i] is not { } value)
                    {
                        row.SetNull(Link.ChildColumns[i]);
                    }
                    else
                    {
                        row.Set(Link.ChildColumns[i], value);
                    }
                }

                break;
        }

        return true;
    }
}
