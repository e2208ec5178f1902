using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What becomes of the children of rows that are deleted. Before children are looked for, it is noted in the control table that the parent goes: whoever would insert a child from
/// then on finds the note, and is refused.
/// </summary>
internal sealed class Deletion(BillingModel model, IAmazonDynamoDB client, RowFinder finder, TimeProvider time, TimeSpan lasts)
{
    private readonly List<(EntityModel Model, string Row)> noted = [];
    private readonly TransactionParts keys = new(model.Definition, time);

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
            await RequireUnchangedAsync(entity, row, cancellationToken);
        }

        while (open.TryDequeue(out var parent))
        {
            var references = model.Entities.SelectMany(e => Reference.Of(model, e)).Where(r => r.Parent == parent.Model).ToArray();
            if (references.Length > 0)
            {
                await NoteAsync(parent.Model, parent.Row, cancellationToken);
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

    /// <summary>The children of what is not there any more are nobody's to delete.</summary>
    private async Task RequireUnchangedAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken)
    {
        var now = await finder.FindAsync(entity, row, entity.PrimaryKey, cancellationToken) ?? throw StoreErrors.Gone(entity, row);
        if (!new BillingRecord(entity, now).Equals(new BillingRecord(entity, row)))
        {
            throw StoreErrors.Changed(entity, row);
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
            try
            {
                await client.DeleteItemAsync(model.Definition.Target.ControlTableName, keys.DeletionKey(entity, row), CancellationToken.None);
            }
            catch (Exception e) when (e is AmazonDynamoDBException or Amazon.Runtime.AmazonClientException)
            {
                // It expires.
            }
        }
    }

    private async Task NoteAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken)
    {
        var describe = entity.Describe(row);
        var note = keys.DeletionKey(entity, describe);
        note["kind"] = new AttributeValue("Deletion");
        note["until"] = keys.Seconds(lasts);
        try
        {
            await client.PutItemAsync(
                new PutItemRequest
                {
                    TableName = model.Definition.Target.ControlTableName,
                    Item = note,
                    ConditionExpression = "attribute_not_exists(pk) OR #u < :now",
                    ExpressionAttributeNames = new() { ["#u"] = "until" },
                    ExpressionAttributeValues = new() { [":now"] = keys.Seconds(TimeSpan.Zero) },
                },
                cancellationToken);
            noted.Add((entity, describe));
        }
        catch (ConditionalCheckFailedException)
        {
            throw StoreErrors.Changed(entity, row);
        }
    }

    private static string Name(EntityModel entity, RowBuffer row) => $"{entity.Entity} {entity.Describe(row)}";
}
