using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// The rows of a unit as its changes leave them, one change after the other, as the source's statements do: with each change, keys and foreign keys
/// are held against the table and against what the changes
/// before it have made of it. What it rests on is required by <paramref name="parts"/>.
/// </summary>
internal sealed class UnitRows(TableSide side, UnitParts parts)
{
    private readonly List<RowChange> rows = [];
    private readonly Dictionary<string, RowChange> known = new(StringComparer.Ordinal);
    private readonly Dictionary<UniqueValue, RowChange> holders = [];
    private readonly List<(ItemKey Key, ItemCondition Condition, Refusal Refusal, StoreException Missing)> parents = [];

    public IReadOnlyList<RowChange> All => rows;

    /// <summary>A row that a large unit has announced and writes last: it is a parent already.</summary>
    public (EntityModel Model, RowBuffer Row)? Announced { get; init; }

    /// <summary>A row as it was read.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.DuplicateKey"/>: an earlier change has taken a unique value that is this row's.</exception>
    public RowChange Know(EntityModel entity, RowBuffer row, bool isFound)
    {
        var name = $"{entity.Entity} {entity.Describe(row)}";
        if (!known.TryGetValue(name, out var change))
        {
            rows.Add(known[name] = change = new RowChange(entity, row, row) { IsFound = isFound });
            foreach (var value in UniqueValue.Of(entity, row))
            {
                if (holders.TryGetValue(value, out var taker) && (taker.Before is not { } former || !UniqueValue.Of(entity, former).Contains(value)))
                {
                    throw StoreErrors.Duplicate(value.Constraint);
                }

                holders[value] = change;
            }
        }

        return change;
    }

    /// <summary>The row with this primary key, if a change of the unit has to do with it.</summary>
    public RowChange? Find(EntityModel entity, RowBuffer key) => rows.LastOrDefault(r => r.Model == entity && entity.IsSame(r.After ?? r.Row, key, entity.PrimaryKey));

    /// <exception cref="StoreException">The source would refuse it.</exception>
    public async Task<RowChange> InsertAsync(EntityModel entity, RowBuffer row, int place, bool hasGeneratedKey, CancellationToken cancellationToken)
    {
        if (Find(entity, row) is { After: not null })
        {
            throw StoreErrors.Duplicate(UniqueValue.PrimaryKey);
        }

        var change = new RowChange(entity, null, await WithLookupsAsync(entity, row, cancellationToken)) { Place = place, HasGeneratedKey = hasGeneratedKey };
        rows.Add(change);
        await HoldAsync(change, null, cancellationToken);
        return change;
    }

    /// <inheritdoc cref="InsertAsync"/>
    public async Task UpdateAsync(RowChange change, RowBuffer after, CancellationToken cancellationToken)
    {
        if (Find(change.Model, after) is { After: not null } other && other != change)
        {
            throw StoreErrors.Duplicate(UniqueValue.PrimaryKey);
        }

        var was = change.After;
        change.After = await WithLookupsAsync(change.Model, after, cancellationToken);
        await HoldAsync(change, was, cancellationToken);
    }

    /// <summary>Deletes a row, and its children with it, or their references; one that is gone already stays so.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>; <see cref="StoreError.TooManyRows"/>.</exception>
    /// <exception cref="PartitionHeldException">A large unit is at work there.</exception>
    public async Task DeleteAsync(RowChange first, CancellationToken cancellationToken)
    {
        var forbidden = new List<(RowChange Child, string Name)>();
        var open = new List<RowChange>();
        Leave(first);
        while (open.Count > 0)
        {
            var deleted = open.Where(p => !Reference.To(side.Model, p.Model).IsEmpty).Select(p => (Row: p, Key: RowFinder.KeyOf(p.Model, p.Row, null)!.Value)).ToArray();
            open.Clear();
            // What came last is read while the queries are on their way: which of them is first does not matter.
            var coming = new List<Task<IReadOnlyList<(EntityModel Model, RowBuffer Row)>>>();
            foreach (var (partition, version) in await side.Versions.ReadAsync([.. deleted.Select(p => p.Key.Pk)], parts.Own, cancellationToken))
            {
                parts.RequireVersion(partition, version.Number);
                coming.Add(side.Rows.RecentAsync(version, cancellationToken));
            }

            foreach (var (parent, key) in deleted)
            {
                foreach (var reference in Reference.To(side.Model, parent.Model))
                {
                    await foreach (var child in side.Rows.ChildrenAsync(reference, parent.Row, key, cancellationToken))
                    {
                        Know(reference.Child, child, isFound: true);
                        RequireFew(reference);
                    }
                }
            }

            foreach (var (model, row) in (await Task.WhenAll(coming)).SelectMany(r => r))
            {
                if (deleted.Any(p => Reference.To(side.Model, p.Row.Model).Any(r => r.Child == model && r.Refers(row, p.Row.Row))))
                {
                    Know(model, row, isFound: true);
                }
            }

            foreach (var (parent, _) in deleted)
            {
                foreach (var reference in Reference.To(side.Model, parent.Model))
                {
                    foreach (var child in rows.Where(r => r.Model == reference.Child && r.After is { } row && reference.Refers(row, parent.Row)).ToArray())
                    {
                        await FollowAsync(reference, child);
                    }
                }
            }
        }

        foreach (var (_, name) in forbidden.Where(f => f.Child.After is not null))
        {
            throw StoreErrors.HasChildren(name);
        }

        async Task FollowAsync(Reference reference, RowChange child)
        {
            if (reference.Forbids)
            {
                forbidden.Add((child, reference.Name));
            }
            else if (reference.Cascades)
            {
                Leave(child);
            }
            else
            {
                var was = child.After!;
                await foreach (var (other, row) in side.Rows.OfReleasedAsync(reference, was, cancellationToken))
                {
                    forbidden.Add((Know(other.Child, row, isFound: true), other.Name));
                }

                child.After = await WithLookupsAsync(reference.Child, reference.Released(was), cancellationToken);
                Release(child, UniqueValue.Of(child.Model, was).Except(UniqueValue.Of(child.Model, child.After)));
            }
        }

        void Leave(RowChange row)
        {
            if (row.After is { } was)
            {
                row.After = null;
                Release(row, UniqueValue.Of(row.Model, was));
                open.Add(row);
            }
        }
    }

    /// <exception cref="StoreException"><see cref="StoreError.ParentMissing"/>: of the rows so far, one has no parent.</exception>
    public async Task RefuseOrphansAsync(CancellationToken cancellationToken)
    {
        // Others were seen when they were looked for.
        foreach (var (key, _, _, missing) in parents.Where(p => p.Refusal is Refusal.Told && !rows.Any(r => RowFinder.KeyOf(r.Model, r.Row, null) == p.Key)))
        {
            _ = await side.Rows.ItemAsync(key, cancellationToken) ?? throw missing;
        }
    }

    /// <summary>Requires the parents that the unit does not write itself.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ParentMissing"/>: a parent is inserted later in the unit.</exception>
    public void RequireParents()
    {
        foreach (var (key, condition, refusal, missing) in parents)
        {
            var written = rows.Where(r => RowFinder.KeyOf(r.Model, r.Row, null) == key).ToArray();
            if (written.Length > 0 && written.All(r => r.Before is null))
            {
                throw missing;
            }

            parts.Require(ItemCodec.Attributes(key), condition, refusal);
        }
    }

    /// <summary>The row with the columns of its lookups, which may be rows of the unit: its item's key is made with them.</summary>
    private Task<RowBuffer> WithLookupsAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken) =>
        entity.Definition.Lookups.IsEmpty ? Task.FromResult(row)
            : side.Rows.WithLookupsAsync(entity, row, Announced is var (model, announced) ? [.. rows, new RowChange(model, null, announced)] : rows, cancellationToken);

    /// <param name="by">By which the rows were found.</param>
    private void RequireFew(Reference by)
    {
        if (rows.Count > UnitParts.Most)
        {
            // Of so many children that nothing deletes, the unit itself cannot have deleted each.
            throw by.Forbids && !Reference.Of(side.Model, by.Child).Any(r => r.Cascades) ? StoreErrors.HasChildren(by.Name)
                : StoreErrors.TooMany(rows[0].Model.Entity, rows.Count, UnitParts.Most);
        }
    }

    /// <summary>Holds a row to its keys and foreign keys.</summary>
    private async Task HoldAsync(RowChange change, RowBuffer? was, CancellationToken cancellationToken)
    {
        var (entity, row) = (change.Model, change.After!);
        var (old, now) = (was is null ? [] : UniqueValue.Of(entity, was).ToArray(), UniqueValue.Of(entity, row).ToArray());
        Release(change, old.Except(now));
        foreach (var value in now.Except(old))
        {
            await RequireFreeAsync(change, value, cancellationToken);
            holders[value] = change;
        }

        foreach (var reference in Reference.Of(side.Model, entity).Where(r => r.IsSet(row) && (was is null || was.Differs(row, r.ChildColumns))))
        {
            await RequireParentAsync(change, reference, row, cancellationToken);
        }

        RequireLookups(entity, row);
    }

    /// <summary>A row whose key is made with a parent's column has none without the parent.</summary>
    private void RequireLookups(EntityModel entity, RowBuffer row)
    {
        if (!entity.Definition.Lookups.IsEmpty && RowFinder.KeyOf(entity, row, null) is null)
        {
            var tables = entity.Definition.Lookups.Values.Select(l => l.Table).ToHashSet(StringComparer.OrdinalIgnoreCase);
            throw Reference.Of(side.Model, entity).FirstOrDefault(r => tables.Contains(r.Parent.Table.Name) && r.IsSet(row)) is { } reference
                ? StoreErrors.ParentMissing(reference.Name) : StoreErrors.NoKey(entity);
        }
    }

    private void Release(RowChange change, IEnumerable<UniqueValue> values)
    {
        foreach (var value in values.Where(v => holders.GetValueOrDefault(v) == change))
        {
            holders.Remove(value);
        }
    }

    /// <summary>Rows that were migrated have no claim; an index shows them.</summary>
    private async Task RequireFreeAsync(RowChange change, UniqueValue value, CancellationToken cancellationToken)
    {
        if (holders.ContainsKey(value))
        {
            throw StoreErrors.Duplicate(value.Constraint);
        }

        if (change.HasGeneratedKey && value.Constraint == UniqueValue.PrimaryKey)
        {
            return;
        }

        // One that the unit knows has left the value: it would be among the holders.
        if (await side.Rows.FindMigratedAsync(change.Model, change.After!, value.Columns, cancellationToken) is { } holder && !known.ContainsKey($"{change.Model.Entity} {change.Model.Describe(holder)}"))
        {
            throw StoreErrors.Duplicate(value.Constraint);
        }
    }

    private async Task RequireParentAsync(RowChange change, Reference reference, RowBuffer row, CancellationToken cancellationToken)
    {
        var (parent, wanted, columns) = (reference.Parent, reference.ParentRow(row), reference.ParentColumns);
        var missing = StoreErrors.ParentMissing(reference.Name);
        var own = rows.Where(r => r.Model == parent && (parent.IsSame(r.Row, wanted, columns) || (r.After is { } after && parent.IsSame(after, wanted, columns)))).ToArray();
        ItemKey key;
        if (own.LastOrDefault(r => r.After is { } after && parent.IsSame(after, wanted, columns)) is { } written)
        {
            key = RowFinder.KeyOf(parent, written.After!, null)!.Value;
        }
        else if (Announced is var (model, announced) && model == parent && parent.IsSame(announced, wanted, columns))
        {
            key = RowFinder.KeyOf(parent, announced, null)!.Value;
        }
        else if (own.Length > 0)
        {
            throw missing;
        }
        else if (RowFinder.KeyOf(parent, wanted, columns) is { } derived && Others(reference).Length == 0)
        {
            key = derived;
            parents.Add((key, ItemCondition.Present, new Refusal.Told(missing), missing));
        }
        else
        {
            var there = await side.Rows.FindAsync(parent, wanted, columns, cancellationToken) ?? throw missing;
            key = RowFinder.KeyOf(parent, await side.Rows.WithLookupsAsync(parent, there, [], cancellationToken), null)!.Value;
            parents.Add((key, Referred(reference, there), new Refusal.LookAgain(), missing));
        }

        parts.Touch(key.Pk);
        change.Parents[reference] = key;
    }

    /// <summary>The item has what the child refers to; most of it stands in its key.</summary>
    private ItemCondition Referred(Reference reference, RowBuffer wanted)
    {
        var (parent, others) = (reference.Parent, Others(reference));
        if (others.Length == 0)
        {
            return ItemCondition.Present;
        }

        var forms = new StoredForms(parent, side.Items.Encode(parent, wanted));
        return ItemCondition.Has(others.Select(c => parent.Attributes.First(a => a.RowIndex == c)).Select(a => KeyValuePair.Create(a.Name, forms.Of(a))), []);
    }

    /// <summary>What the child refers to besides the columns of the parent's own key.</summary>
    private static int[] Others(Reference reference)
    {
        var inKey = reference.Parent.Keys[0].PartitionKey.Concat(reference.Parent.Keys[0].SortKey).SelectMany(t => t.RowIndexes).ToHashSet();
        return [.. reference.ParentColumns.Where(c => !inKey.Contains(c))];
    }
}
