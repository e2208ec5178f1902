using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>A foreign key between two entities. Those to tables that are not migrated have nothing here to refer to.</summary>
internal sealed record Reference(
    string Name, EntityModel Child, ImmutableArray<int> ChildColumns, EntityModel Parent, ImmutableArray<int> ParentColumns, string OnDelete)
{
    public static IEnumerable<Reference> Of(BillingModel model, EntityModel child)
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

    /// <summary>Those that refer to an entity: what goes with the parent and has no children of its own first.</summary>
    public static ImmutableArray<Reference> To(BillingModel model, EntityModel parent) =>
        [.. model.Entities.SelectMany(e => Of(model, e)).Where(r => r.Parent == parent).OrderBy(r => r.OnDelete != "CASCADE" || Of(model).Any(o => o.Parent == r.Child))];

    private static IEnumerable<Reference> Of(BillingModel model) => model.Entities.SelectMany(e => Of(model, e));

    /// <summary>A foreign key with a NULL in it refers to nothing.</summary>
    public bool IsSet(RowBuffer child) => ChildColumns.All(c => !child.IsNull(c));

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
