using System.Collections.Immutable;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>
/// Finds items whose parent is not in the table. Items that are what their rows say refer to each other as the rows do, and the source holds its foreign keys itself; so only
/// what differs can break a reference: a parent that is missing, or an item that refers to a row that is not there.
/// </summary>
internal sealed class ReferenceCheck(ImmutableArray<EntityModel> models, SourceLookup source, TargetSide target)
{
    private const int MostOrphans = 1_000;

    private readonly Dictionary<(string Entity, string Key, string ForeignKey), OrphanedItem> orphans = [];
    private readonly ImmutableArray<Reference> references = [.. ReferencesOf(models)];

    /// <param name="ChildColumns">Indexes in the child's row, in the order of the key.</param>
    /// <param name="ParentColumns">Indexes in the parent's row.</param>
    private sealed record Reference(int Child, int Parent, string Name, int[] ChildColumns, int[] ParentColumns);

    /// <returns>At most a thousand.</returns>
    public async Task<ImmutableArray<OrphanedItem>> FindAsync(IEnumerable<Examined> differences, CancellationToken cancellationToken)
    {
        foreach (var difference in differences.Where(d => d.Suspect.Entity >= 0))
        {
            if (orphans.Count >= MostOrphans)
            {
                break;
            }

            try
            {
                if (difference is { Expected: { } row, Actual: null })
                {
                    await ChildrenOfAsync(difference.Suspect.Entity, row, cancellationToken);
                }
                else if (difference.Actual is { } item)
                {
                    await ParentsOfAsync(difference.Suspect.Entity, item, cancellationToken);
                }
            }
            catch (MigrationException e) when (e.ErrorId == "CheckpointUnreadable")
            {
                // It refers to something that no row can be; the difference itself is reported.
            }
        }

        return [.. orphans.Values.OrderBy(o => o.Entity, StringComparer.Ordinal).ThenBy(o => o.Key, StringComparer.Ordinal)];
    }

    private static IEnumerable<Reference> ReferencesOf(ImmutableArray<EntityModel> models)
    {
        for (var child = 0; child < models.Length; child++)
        {
            foreach (var key in models[child].Table.ForeignKeys)
            {
                for (var parent = 0; parent < models.Length; parent++)
                {
                    if (string.Equals(models[parent].Table.Name, key.ReferencedTable, StringComparison.OrdinalIgnoreCase))
                    {
                        int[] own = [.. key.Columns.Select(c => EntityModel.Find(models[child].Row, null, c))];
                        int[] others = [.. key.ReferencedColumns.Select(c => EntityModel.Find(models[parent].Row, null, c))];
                        if (!own.Contains(-1) && !others.Contains(-1))
                        {
                            yield return new Reference(child, parent, key.Name, own, others);
                        }
                    }
                }
            }
        }
    }

    /// <summary>The parent is missing: which of its children are there?</summary>
    private async Task ChildrenOfAsync(int parent, byte[] parentItem, CancellationToken cancellationToken)
    {
        if (Decode(parent, parentItem) is not { } row)
        {
            return;
        }

        foreach (var reference in references.Where(r => r.Parent == parent && Values(row, r.ParentColumns) is not null))
        {
            var children = await source.ReadAsync(reference.Child, reference.ChildColumns, Values(row, reference.ParentColumns)!, MostOrphans, cancellationToken);
            var keys = children.Where(c => c.Value.KeyText is not null).ToDictionary(c => c.Value.KeyText!, c => c.Key, StringComparer.Ordinal);
            await target.GetAsync(
                [.. keys.Keys.Select(k => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(k))],
                (_, found) => Add(reference, keys[Encoding.UTF8.GetString(found.Key(0).Span) + "}"]),
                cancellationToken);
        }
    }

    /// <summary>The item is not what a row says: is what it refers to there?</summary>
    private async Task ParentsOfAsync(int child, byte[] item, CancellationToken cancellationToken)
    {
        if (Decode(child, item) is not { } row)
        {
            return;
        }

        foreach (var reference in references.Where(r => r.Child == child && Values(row, r.ChildColumns) is not null))
        {
            var parents = await source.ReadAsync(reference.Parent, reference.ParentColumns, Values(row, reference.ChildColumns)!, 1, cancellationToken);
            if (parents.Values.All(p => p.KeyText is null))
            {
                Add(reference, models[child].Describe(row));
            }
        }
    }

    private void Add(Reference reference, string key) => orphans.TryAdd(
        (models[reference.Child].Entity, key, reference.Name), new OrphanedItem(models[reference.Child].Entity, key, models[reference.Parent].Entity, reference.Name));

    private RowBuffer? Decode(int entity, byte[] item)
    {
        var row = new RowBuffer(models[entity].Row.Length);
        try
        {
            new ItemDecoder(models[entity]).Decode(item, row);
            return models[entity].PrimaryKey.Any(row.IsNull) ? null : row;
        }
        catch (Exception e) when (e is MigrationException or FormatException)
        {
            return null;
        }
    }

    private static byte[][]? Values(RowBuffer row, int[] columns) => columns.Any(row.IsNull) ? null : [.. columns.Select(c => row[c].ToArray())];
}
