using System.Collections.Immutable;

namespace BillingMigration.Model;

/// <summary>
/// A way by which a change of a parent's row changes items of a child, though no row of the child is logged: a foreign key with CASCADE or SET NULL, or a lookup, whose columns stand
/// in the child's keys.
/// </summary>
/// <param name="Name">The foreign key's name, or the lookup's.</param>
/// <param name="ParentColumns">Indexes in the parent's row of what the child refers to.</param>
/// <param name="ChildColumns">Indexes in the child's row of the columns that refer to it, in the same order.</param>
/// <param name="Sources">Indexes in the parent's row of the looked-up columns; empty for a foreign key.</param>
/// <param name="Targets">Indexes in the child's row of the looked-up columns, in the same order.</param>
/// <param name="OnDelete">True when a deleted parent changes children.</param>
/// <param name="OnUpdate">True when a parent with other values changes children.</param>
public sealed record ParentLink(
    string Name, EntityModel Parent, EntityModel Child, ImmutableArray<int> ParentColumns, ImmutableArray<int> ChildColumns, ImmutableArray<int> Sources, ImmutableArray<int> Targets,
    bool OnDelete, bool OnUpdate)
{
    public bool IsLookup { get; } = Sources.Length > 0;

    /// <summary>
    /// False when a collation decides which child refers to which parent: texts are then equal whose bytes differ, and keys made of them find no child. Binary collations that
    /// pad take 'a' for 'a '.
    /// </summary>
    public bool IsExact { get; } = ParentColumns.Select(c => Parent.Row[c].Column).Concat(ChildColumns.Select(c => Child.Row[c].Column)).All(ComparesBytes);

    /// <summary>True when a child that follows its parent gets another primary key: it is found under its new one at the source only.</summary>
    public bool GivesKey { get; } = !Child.PrimaryKey.IsEmpty && ChildColumns.Any(Child.PrimaryKey.Contains);

    /// <summary>The key by which the table finds the children of a parent, all of them; null: none does.</summary>
    public KeyModel? Way { get; } = Child.Keys.FirstOrDefault(key => ChildKeys.Finds(key, ChildColumns, Child.Row));

    /// <summary>True when this change of a parent's row reaches children.</summary>
    /// <param name="after">Null: the row was deleted.</param>
    public bool Acts(RowBuffer before, RowBuffer? after) =>
        !HasNull(before, ParentColumns) && (after is null ? OnDelete : OnUpdate && (before.Differs(after, ParentColumns) || before.Differs(after, Sources)));

    /// <summary>True when the child refers to the parent.</summary>
    public bool Refers(RowBuffer child, RowBuffer parent)
    {
        for (var i = 0; i < ChildColumns.Length; i++)
        {
            if (child.IsNull(ChildColumns[i]) || parent.IsNull(ParentColumns[i]) || !child[ChildColumns[i]].SequenceEqual(parent[ParentColumns[i]]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A child's row that has nothing but its reference to the parent.</summary>
    public RowBuffer Reference(RowBuffer parent)
    {
        var row = RowBuffer.AllNull(Child.Row.Length);
        Hand(parent, row);
        return row;
    }

    /// <summary>Gives the child's row the parent's values.</summary>
    public void Hand(RowBuffer parent, RowBuffer child)
    {
        for (var i = 0; i < ChildColumns.Length; i++)
        {
            child.Take(ChildColumns[i], parent, ParentColumns[i]);
        }
    }

    /// <summary>The values of some columns, none of them NULL, as the key of a dictionary.</summary>
    internal static string KeyOf(RowBuffer row, ImmutableArray<int> columns)
    {
        var text = new System.Text.StringBuilder();
        foreach (var column in columns)
        {
            text.Append(Convert.ToHexString(row[column])).Append(' ');
        }

        return text.ToString();
    }

    internal static bool HasNull(RowBuffer row, ImmutableArray<int> columns)
    {
        foreach (var column in columns)
        {
            if (row.IsNull(column))
            {
                return true;
            }
        }

        return false;
    }

    private static bool ComparesBytes(ColumnSchema column) => column.CharacterSet is null
        || (column.Collation is { } name && name.EndsWith("_bin", StringComparison.Ordinal)
            && (column.DataType == "char" || name.Contains("0900", StringComparison.Ordinal) || name.Contains("nopad", StringComparison.Ordinal)));
}
