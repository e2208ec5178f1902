using Amazon.DynamoDBv2;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What becomes of the children of rows that are deleted. Before children are looked for, it is noted in the control table that the parent goes: whoever would insert a child from
/// then on finds the note, and is refused.
/// </summary>
internal sealed class Deletion(BillingModel model, IAmazonDynamoDB client, RowFinder finder, TimeProvider time, TimeSpan lasts)
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

        while (open.TryDequeue(out var parent))
        {
            var references = Reference.To(model, parent.Model);
            if (!references.IsEmpty)
            {
                var describe = parent.Model.Describe(parent.Row);
                await notes.PutAsync(parent.Model, describe, null, lasts, cancellationToken);
                noted.Add((parent.Model, describe));
            }

            foreach (var reference in references)
            {
                await foreach (var child in finder.ListAsync(reference.Child, reference.ChildRow(parent.Row), reference.ChildColumns, cancellationToken))
                {
                    var name = Name(reference.Child, child);
                    if (reference.OnDelete == "CASCADE")
                    {
                        if (deleted.Add(name))
                        {
                            changes.Add((reference.Child, child, null));
                            open.Enqueue((reference.Child, child));
                            if (changes.Count > TransactionParts.Most)
                            {
                                throw StoreErrors.TooMany(parent.Model.Entity, changes.Count, TransactionParts.Most);
                            }
                        }
                    }
                    else if (reference.OnDelete == "SET NULL")
                    {
                        var after = released.TryGetValue(name, out var known) ? known.After : child.Copy();
                        foreach (var column in reference.ChildColumns)
                        {
                            after.SetNull(column);
                        }

                        released[name] = (reference.Child, child, after);
                    }
                    else
                    {
                        forbidden.Add((name, reference.Name));
                    }
                }
            }
        }

        foreach (var (_, name) in forbidden.Where(f => !deleted.Contains(f.Child)))
        {
            throw StoreErrors.HasChildren(name);
        }

        changes.AddRange(released.Where(r => !deleted.Contains(r.Key)).Select(r => (r.Value.Model, (RowBuffer?)r.Value.Before, (RowBuffer?)r.Value.After)));
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
