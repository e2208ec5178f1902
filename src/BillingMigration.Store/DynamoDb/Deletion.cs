using Amazon.DynamoDBv2;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What becomes of the children of rows that are deleted. Before children are looked for, it is noted in the control table that the parent goes: whoever would insert a child from
/// then on finds the note, and is refused.
/// </summary>
internal sealed class Deletion(BillingModel model, IAmazonDynamoDB client, RowFinder finder, StoreTimes times, TimeProvider time, TimeSpan lasts)
{
    private readonly List<(EntityModel Model, string Row)> noted = [];
    private readonly DeletionNotes notes = new(model.Definition, client, time);

    /// <summary>Adds the children of all deleted rows: deleted with them, or without their reference.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>; <see cref="StoreError.Conflict"/> when another deletes the same row.</exception>
    public async Task AddChildrenAsync(List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> changes, CancellationToken cancellationToken)
    {
        var deleted = new HashSet<string>(StringComparer.Ordinal);
        var released = new Dictionary<string, (EntityModel Model, RowBuffer Before, RowBuffer After)>(StringComparer.Ordinal);
        var forbidden = new List<(string Child, string Name)>();
        var open = new Queue<(EntityModel Model, RowBuffer Row)>(changes.Where(c => c.After is null).Select(c => (c.Model, c.Before!)));
        deleted.UnionWith(open.Select(d => Name(d.Model, d.Row)));
        foreach (var (entity, row) in open)
        {
            await finder.RequireUnchangedAsync(entity, row, cancellationToken);
        }

        while (open.Count > 0)
        {
            // Those of one generation are noted together, and their children then looked for.
            var parents = open.ToArray();
            open.Clear();
            foreach (var (entity, row) in parents.Where(p => !Reference.To(model, p.Model).IsEmpty))
            {
                var describe = entity.Describe(row);
                await notes.PutAsync(entity, describe, null, lasts, cancellationToken);
                noted.Add((entity, describe));
            }

            await finder.SettleAsync(parents.Select(p => p.Model), times, cancellationToken);
            foreach (var (entity, row) in parents)
            {
                foreach (var reference in Reference.To(model, entity))
                {
                    await foreach (var child in finder.ListAsync(reference.Child, reference.ChildRow(row), reference.ChildColumns, cancellationToken))
                    {
                        Take(reference, child);
                    }
                }
            }
        }

        foreach (var (_, name) in forbidden.Where(f => !deleted.Contains(f.Child)))
        {
            throw StoreErrors.HasChildren(name);
        }

        changes.AddRange(released.Where(r => !deleted.Contains(r.Key)).Select(r => (r.Value.Model, (RowBuffer?)r.Value.Before, (RowBuffer?)r.Value.After)));

        void Take(Reference reference, RowBuffer child)
        {
            var name = Name(reference.Child, child);
            if (reference.Cascades)
            {
                if (deleted.Add(name))
                {
                    changes.Add((reference.Child, child, null));
                    open.Enqueue((reference.Child, child));
                    if (changes.Count > TransactionParts.Most)
                    {
                        throw StoreErrors.TooMany(changes[0].Model.Entity, changes.Count, TransactionParts.Most);
                    }
                }
            }
            else if (reference.Forbids)
            {
                forbidden.Add((name, reference.Name));
            }
            else
            {
                released[name] = (reference.Child, child, reference.Released(released.TryGetValue(name, out var known) ? known.After : child));
            }
        }
    }

    /// <summary>The notes end with the transaction.</summary>
    public void End(TransactionParts parts)
    {
        foreach (var (entity, row) in noted)
        {
            parts.EndDeletion(entity, row);
        }
    }

    /// <summary>Takes the notes back; those that stay because this breaks off expire.</summary>
    public async Task AbandonAsync()
    {
        foreach (var (entity, row) in noted)
        {
            await notes.TakeBackAsync(entity, row);
        }
    }

    private static string Name(EntityModel entity, RowBuffer row) => $"{entity.Entity} {entity.Describe(row)}";
}
