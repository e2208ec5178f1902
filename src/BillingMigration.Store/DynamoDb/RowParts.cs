using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Makes parts of a transaction from changes of rows, with the guarantees of unique and foreign keys.</summary>
internal sealed class RowParts(BillingModel model, RowFinder finder)
{
    /// <summary>Adds all changes of a unit.</summary>
    public async Task AddAsync(TransactionParts parts, List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> changes, CancellationToken cancellationToken)
    {
        // Rows first: a parent that is written here is there.
        var items = new List<Dictionary<string, AttributeValue>?>();
        foreach (var (entity, before, after) in changes)
        {
            items.Add(await AddRowAsync(parts, entity, before, after, changes, cancellationToken));
        }

        for (var i = 0; i < changes.Count; i++)
        {
            await AddUniqueAsync(parts, changes[i], items[i], changes[..i], cancellationToken);
            await AddParentsAsync(parts, changes[i], changes, cancellationToken);
        }
    }

    /// <returns>The item as it will be; null: it is deleted.</returns>
    public async Task<Dictionary<string, AttributeValue>?> AddRowAsync(
        TransactionParts parts, EntityModel entity, RowBuffer? before, RowBuffer? after, List<(EntityModel, RowBuffer?, RowBuffer?)> unit, CancellationToken cancellationToken)
    {
        var old = before is null ? null : ItemCodec.Encode(entity, await finder.WithLookupsAsync(entity, before, [], cancellationToken));
        var refusal = before is null ? StoreErrors.Duplicate(UniqueValue.PrimaryKey) : StoreErrors.Changed(entity, before);
        if (after is null)
        {
            parts.Delete(old!, refusal);
            return null;
        }

        var item = ItemCodec.Encode(entity, await finder.WithLookupsAsync(entity, after, unit, cancellationToken));
        var stays = old is not null && old[EntityModel.PartitionKey].S == item[EntityModel.PartitionKey].S && old[EntityModel.SortKey].S == item[EntityModel.SortKey].S;
        parts.Put(item, stays ? old : null, refusal);
        if (old is not null && !stays)
        {
            parts.Delete(old, refusal);
        }

        return item;
    }

    /// <summary>Adds the claims of unique values that the row takes, and gives back those that it leaves.</summary>
    /// <param name="earlier">Changes of the same unit that were made before this one: a value that one of them leaves is free, one that it takes is not.</param>
    public async Task AddUniqueAsync(
        TransactionParts parts, (EntityModel Model, RowBuffer? Before, RowBuffer? After) change, Dictionary<string, AttributeValue>? item,
        List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> earlier, CancellationToken cancellationToken)
    {
        var old = change.Before is null ? [] : UniqueValue.Of(change.Model, change.Before).ToDictionary(v => v.Constraint);
        var now = change.After is null ? [] : UniqueValue.Of(change.Model, change.After).ToDictionary(v => v.Constraint);
        foreach (var value in old.Values.Where(v => now.GetValueOrDefault(v.Constraint)?.Text != v.Text))
        {
            parts.GiveBack(value);
        }

        foreach (var value in now.Values)
        {
            if (old.GetValueOrDefault(value.Constraint)?.Text == value.Text)
            {
                if (change.Before is not null && value.Constraint == UniqueValue.PrimaryKey && Moves(change))
                {
                    parts.Claim(value, item!, isNew: false);
                }

                continue;
            }

            // Rows that were migrated have no claim.
            var left = new LeftClaim();
            if (earlier.Any(c => Has(c.Model, c.After, value))
                || (await finder.FindAsync(change.Model, change.After!, value.Columns, left, cancellationToken) is { } holder && !earlier.Any(c => c.Model == change.Model && c.Before is { } former && !former.Differs(holder, c.Model.PrimaryKey))))
            {
                throw StoreErrors.Duplicate(value.Constraint);
            }

            parts.Claim(value, item!, isNew: true, left.Version);
        }
    }

    /// <summary>Adds checks that what the row refers to is there and stays.</summary>
    public async Task AddParentsAsync(
        TransactionParts parts, (EntityModel Model, RowBuffer? Before, RowBuffer? After) change, List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> unit, CancellationToken cancellationToken)
    {
        if (change.After is not { } row)
        {
            return;
        }

        var references = Reference.Of(model, change.Model).Where(r => change.Before is null || change.Before.Differs(row, r.ChildColumns)).ToArray();
        if ((change.Before is null || references.Length > 0) && !Reference.To(model, change.Model).IsEmpty)
        {
            // Children of a row that goes may be gone already: it neither comes again meanwhile nor is another parent's.
            parts.RequireNoDeletion(change.Model, change.Model.Describe(row), StoreErrors.Busy(change.Model, change.Model.Describe(row)));
        }

        foreach (var reference in references.Where(r => r.IsSet(row)))
        {
            var refusal = StoreErrors.ParentMissing(reference.Name);
            var wanted = reference.ParentRow(row);
            if (unit.Any(c => c.Model == reference.Parent && c.After is { } written && !written.Differs(wanted, reference.ParentColumns)))
            {
                continue;
            }

            var parent = await finder.FindAsync(reference.Parent, wanted, reference.ParentColumns, cancellationToken) ?? throw refusal;
            var item = ItemCodec.Encode(reference.Parent, await finder.WithLookupsAsync(reference.Parent, parent, [], cancellationToken));
            var names = reference.ParentColumns.Select(c => reference.Parent.Attributes.First(a => a.RowIndex == c).Name);
            parts.RequireParent(ItemCodec.KeyOf(item), names.ToDictionary(n => n, n => item[n]), refusal);
            parts.RequireNoDeletion(reference.Parent, reference.Parent.Describe(parent), refusal);
        }
    }

    private static bool Has(EntityModel entity, RowBuffer? row, UniqueValue value) =>
        entity.Entity == value.Entity && row is not null && UniqueValue.Of(entity, row).Any(v => v.Constraint == value.Constraint && v.Text == value.Text);

    private static bool Moves((EntityModel Model, RowBuffer? Before, RowBuffer? After) change) =>
        change.Before!.Differs(change.After!, change.Model.Keys[0].PartitionKey.Concat(change.Model.Keys[0].SortKey).SelectMany(t => t.RowIndexes).ToImmutableArray());
}
