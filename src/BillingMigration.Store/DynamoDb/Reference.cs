using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>A foreign key between two entities. Those to tables that are not migrated have nothing here to refer to.</summary>
internal sealed record Reference(
    string Name, EntityModel Child, ImmutableArray<int> ChildColumns, EntityModel Parent, ImmutableArray<int> ParentColumns, string OnDelete)
{
    private static readonly ConditionalWeakTable<BillingModel, ImmutableArray<Reference>[]> Known = [];

    /// <summary>Those of a child, the same instances each time.</summary>
    public static ImmutableArray<Reference> Of(BillingModel model, EntityModel child) => Find(model)[model.Entities.IndexOf(child)];

    /// <summary>Those that refer to an entity, the same instances each time: what goes with the parent and has no children of its own first.</summary>
    public static ImmutableArray<Reference> To(BillingModel model, EntityModel parent) => Find(model)[model.Entities.Length + model.Entities.IndexOf(parent)];

    /// <returns>For each entity those of it as a child, then for each those to it as a parent.</returns>
    private static ImmutableArray<Reference>[] Find(BillingModel model) => Known.GetValue(model, static model =>
    {
        ImmutableArray<Reference>[] ofChild = [.. model.Entities.Select(e => Read(model, e).ToImmutableArray())];
        var all = ofChild.SelectMany(r => r).ToArray();
        return
        [
            .. ofChild,
            .. model.Entities.Select(parent => all.Where(r => r.Parent == parent).OrderBy(r => !r.Cascades || all.Any(o => o.Parent == r.Child)).ToImmutableArray()),
        ];
    });

    private static IEnumerable<Reference> Read(BillingModel model, EntityModel child)
    {
        foreach (var key in child.Table.ForeignKeys.Where(k => k.ReferencedDatabase is null))
        {
            var parent = model.Entities.FirstOrDefault(e => e.Table.Name.Equals(key.ReferencedTable, StringComparison.OrdinalIgnoreCase));
            int[] own = [.. key.Columns.Select(c => EntityModel.Find(child.Row, null, c))];
            int[] referred = parent is null ? [] : [.. key.ReferencedColumns.Select(c => EntityModel.Find(parent.Row, null, c))];
            if (parent is not null && !own.Contains(-1) && !referred.Contains(-1))
            {
                yield return new Reference(key.Name, child, [.. own], parent, [.. referred], key.OnDelete);
            }
        }
    }

    public bool Cascades => OnDelete == "CASCADE";

    /// <summary>True when the parent does not go while the child refers to it.</summary>
    public bool Forbids => OnDelete is not ("CASCADE" or "SET NULL");

    /// <summary>A foreign key with a NULL in it refers to nothing.</summary>
    public bool IsSet(RowBuffer child) => ChildColumns.All(c => !child.IsNull(c));

    /// <summary>A parent with a NULL in what is referred to has no children.</summary>
    public bool IsReferable(RowBuffer parent) => ParentColumns.All(c => !parent.IsNull(c));

    /// <summary>The child refers to the parent, as the source compares them.</summary>
    public bool Refers(RowBuffer child, RowBuffer parent) => IsReferable(parent) && Child.IsSame(child, ChildRow(parent), ChildColumns);

    /// <summary>The child without its parent.</summary>
    public RowBuffer Released(RowBuffer child)
    {
        var row = child.Copy();
        foreach (var column in ChildColumns)
        {
            row.SetNull(column);
        }

        return row;
    }

    /// <summary>A row of the parent that has nothing but what the child refers to.</summary>
    public RowBuffer ParentRow(RowBuffer child)
    {
        var row = RowBuffer.AllNull(Parent.Row.Length);
        for (var i = 0; i < ChildColumns.Length; i++)
        {
            row.Take(ParentColumns[i], child, ChildColumns[i]);
        }

        return row;
    }

    public RowBuffer ChildRow(RowBuffer parent)
    {
        var row = RowBuffer.AllNull(Child.Row.Length);
        for (var i = 0; i < ChildColumns.Length; i++)
        {
            row.Take(ChildColumns[i], parent, ParentColumns[i]);
        }

        return row;
    }
}
