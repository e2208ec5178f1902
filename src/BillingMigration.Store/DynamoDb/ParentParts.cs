using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Holds the rows of a unit to their foreign keys: a parent is there, no large unit is deleting it, and the version of its partition grows, so that whoever looks for its children at the same time looks again.
/// </summary>
internal sealed class ParentParts(TableSide side)
{
    /// <param name="item">Key of the row's item as it will be; null: it is deleted.</param>
    public async Task AddAsync(UnitParts parts, IReadOnlyList<RowChange> changes, int place, ItemKey? item, CancellationToken cancellationToken)
    {
        var change = changes[place];
        if (change.Add is not null)
        {
            return;
        }

        var references = Reference.Of(side.Model, change.Model).Where(r => change.Moves || change.Changes(r.ChildColumns)).ToArray();
        if ((change.Before is null || change.After is null || references.Length > 0) && !Reference.To(side.Model, change.Model).IsEmpty)
        {
            // Children of a row that goes may be gone already: it neither comes again meanwhile nor is another parent's.
            parts.Touch((change.Before is { } before ? RowFinder.KeyOf(change.Model, before, null) : item)!.Value.Pk);
        }

        if (change is { Moves: true, Before: { } left })
        {
            // A large unit of the partition that it leaves may be at work on it.
            parts.Touch(RowFinder.KeyOf(change.Model, left, null)!.Value.Pk);
        }

        Forget(parts, change);
        if (change.After is { } row && item is { } own)
        {
            foreach (var reference in references.Where(r => r.IsSet(row)))
            {
                await RequireAsync(parts, changes, place, reference, row, own, cancellationToken);
            }
        }
    }

    private async Task RequireAsync(UnitParts parts, IReadOnlyList<RowChange> changes, int place, Reference reference, RowBuffer row, ItemKey own, CancellationToken cancellationToken)
    {
        var (parent, wanted, columns) = (reference.Parent, reference.ParentRow(row), reference.ParentColumns);
        var missing = StoreErrors.ParentMissing(reference.Name);

        // In the unit's own order, as the source checks each statement: the last change before this one that says something of the parent.
        var earlier = changes.Take(place + 1).LastOrDefault(c => c.Model == parent && ((c.After is { } a && parent.IsSame(a, wanted, columns)) || (c.Before is { } b && parent.IsSame(b, wanted, columns))));
        var isWritten = earlier?.After is { } after && parent.IsSame(after, wanted, columns);
        if (earlier is not null && !isWritten)
        {
            throw missing;
        }

        // A row whose item moves refers as before: the source would not look at its parent.
        var refersAnew = changes[place].Changes(reference.ChildColumns);
        ItemKey key;
        if (isWritten)
        {
            key = RowFinder.KeyOf(parent, await side.Rows.WithLookupsAsync(parent, earlier!.After!, changes, cancellationToken), null)!.Value;
        }
        else if (changes.Skip(place + 1).Any(c => c is { Before: null, After: { } later } && c.Model == parent && parent.IsSame(later, wanted, columns)))
        {
            throw missing;
        }
        else if (RowFinder.KeyOf(parent, wanted, columns) is { } derived && !Others(reference).Any(parent.ComparesByCollation))
        {
            key = derived;
            if (refersAnew)
            {
                parts.Require(Attributes(key), Referred(reference, wanted), new Refusal.Told(missing));
            }
        }
        else if (await side.Rows.FindAsync(parent, wanted, columns, cancellationToken) is { } there)
        {
            key = RowFinder.KeyOf(parent, await side.Rows.WithLookupsAsync(parent, there, [], cancellationToken), null)!.Value;
            parts.Require(Attributes(key), Referred(reference, there), new Refusal.LookAgain());
        }
        else if (refersAnew)
        {
            throw missing;
        }
        else
        {
            return;
        }

        parts.Touch(key.Pk);
        Refer(parts, reference, key, own);
    }

    /// <summary>Leaves for whoever looks for a parent's children that one is in another partition.</summary>
    public void Refer(UnitParts parts, Reference reference, ItemKey parent, ItemKey own)
    {
        if (parent.Pk != own.Pk)
        {
            var item = side.Keys.Reference(reference, parent, own);
            item["kind"] = new AttributeValue("Reference");
            item["itemPk"] = new AttributeValue(own.Pk);
            item["itemSk"] = new AttributeValue(own.Sk);
            parts.Control(new TransactWriteItem { Put = new Put { TableName = side.Keys.Table, Item = item } }, new Refusal.LookAgain());
        }
    }

    /// <summary>What says that a row refers to a parent elsewhere is taken back where the parent's key is known; what stays is held against the row when it is used.</summary>
    public void Forget(UnitParts parts, RowChange change)
    {
        if (change.Before is not { } former || RowFinder.KeyOf(change.Model, former, null) is not { } own)
        {
            return;
        }

        foreach (var reference in Reference.Of(side.Model, change.Model).Where(r => r.IsSet(former) && (change.Moves || change.Changes(r.ChildColumns))))
        {
            if (RowFinder.KeyOf(reference.Parent, reference.ParentRow(former), reference.ParentColumns) is { } parent && parent.Pk != own.Pk)
            {
                parts.Control(
                    new TransactWriteItem { Delete = new Delete { TableName = side.Keys.Table, Key = side.Keys.Reference(reference, parent, own) } }, new Refusal.LookAgain());
            }
        }
    }

    /// <summary>The item has what the child refers to; most of it stands in its key.</summary>
    private ItemCondition Referred(Reference reference, RowBuffer wanted)
    {
        var (parent, others) = (reference.Parent, Others(reference));
        if (others.Length == 0)
        {
            return ItemCondition.Present;
        }

        var item = side.Items.Encode(parent, wanted);
        var forms = new StoredForms(parent, item);
        return ItemCondition.Has(others.Select(c => parent.Attributes.First(a => a.RowIndex == c)).Select(a => KeyValuePair.Create(a.Name, forms.Of(a))), []);
    }

    /// <summary>What the child refers to besides the columns of the parent's own key.</summary>
    private static int[] Others(Reference reference)
    {
        var inKey = reference.Parent.Keys[0].PartitionKey.Concat(reference.Parent.Keys[0].SortKey).SelectMany(t => t.RowIndexes).ToHashSet();
        return [.. reference.ParentColumns.Where(c => !inKey.Contains(c))];
    }

    private static Dictionary<string, AttributeValue> Attributes(ItemKey key) => new() { [EntityModel.PartitionKey] = new(key.Pk), [EntityModel.SortKey] = new(key.Sk) };
}
