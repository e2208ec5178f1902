using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What becomes of the children of rows that are deleted, for a unit that one transaction holds. The versions of the partitions are read before the children are looked for.</summary>
internal sealed class Deletion(TableSide side)
{
    /// <summary>Adds the children of all deleted rows: deleted with them, or without their reference.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>; <see cref="StoreError.TooManyRows"/>.</exception>
    /// <exception cref="PartitionHeldException">A large unit is at work there.</exception>
    public async Task AddChildrenAsync(List<RowChange> changes, UnitParts parts, CancellationToken cancellationToken)
    {
        var deleted = changes.Where(c => c is { After: null, Before: not null }).Select(c => Name(c.Model, c.Before!)).ToHashSet(StringComparer.Ordinal);
        var released = new Dictionary<string, RowChange>(StringComparer.Ordinal);
        var forbidden = new List<(string Child, string Name)>();
        var open = changes.Where(c => c is { After: null, Before: not null }).Select(c => (c.Model, Row: c.Before!)).ToList();
        while (open.Count > 0)
        {
            var parents = open.Where(p => !Reference.To(side.Model, p.Model).IsEmpty).Select(p => (p.Model, p.Row, Key: RowFinder.KeyOf(p.Model, p.Row, null)!.Value)).ToArray();
            open.Clear();
            foreach (var (partition, version) in await side.Versions.ReadAsync([.. parents.Select(p => p.Key.Pk)], null, cancellationToken))
            {
                parts.RequireVersion(partition, version);
            }

            foreach (var (entity, row, key) in parents)
            {
                foreach (var reference in Reference.To(side.Model, entity))
                {
                    await foreach (var child in side.Rows.ChildrenAsync(reference, row, key, cancellationToken))
                    {
                        Follow(reference, child);
                    }
                }
            }
        }

        foreach (var (_, name) in forbidden.Where(f => !deleted.Contains(f.Child)))
        {
            throw StoreErrors.HasChildren(name);
        }

        changes.AddRange(released.Where(r => !deleted.Contains(r.Key)).Select(r => r.Value));

        void Follow(Reference reference, RowBuffer child)
        {
            var name = Name(reference.Child, child);
            if (reference.Forbids)
            {
                forbidden.Add((name, reference.Name));
            }
            else if (!reference.Cascades)
            {
                released[name] = new RowChange(reference.Child, child, reference.Released(released.TryGetValue(name, out var known) ? known.After! : child)) { IsFound = true };
            }
            else if (deleted.Add(name))
            {
                changes.Add(new RowChange(reference.Child, child, null) { IsFound = true });
                open.Add((reference.Child, child));
            }

            if (changes.Count + released.Count > UnitParts.Most)
            {
                throw StoreErrors.TooMany(changes[0].Model.Entity, changes.Count + released.Count, UnitParts.Most);
            }
        }
    }

    private static string Name(EntityModel entity, RowBuffer row) => $"{entity.Entity} {entity.Describe(row)}";
}
