using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Finds single rows as they are now, whatever an index shows yet.</summary>
internal sealed class RowFinder(BillingModel model, IAmazonDynamoDB client, ItemReader items, PathReader reader, TimeProvider time)
{
    /// <summary>The row that has the same values as <paramref name="like"/> in some columns that are unique; null: none has.</summary>
    public Task<RowBuffer?> FindAsync(EntityModel entity, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken) => FindAsync(entity, like, columns, new LeftClaim(), cancellationToken);

    /// <param name="left">Told of a claim to the values whose row does not have them any more: the source has changed it, while applications worked there.</param>
    public async Task<RowBuffer?> FindAsync(EntityModel entity, RowBuffer like, ImmutableArray<int> columns, LeftClaim left, CancellationToken cancellationToken)
    {
        if (KeyOf(entity, like, columns) is { } key)
        {
            return await GetAsync(entity, key, like, columns, cancellationToken);
        }

        await foreach (var row in ListAsync(entity, like, columns, cancellationToken))
        {
            return row;
        }

        // A row that was just written is in its index later; its claim says at once where it is.
        foreach (var claim in UniqueValue.Of(entity, like).Where(v => v.Columns.Length == columns.Length && v.Columns.All(columns.Contains)))
        {
            if (await ClaimAsync(claim, cancellationToken) is { } where)
            {
                // It may hold the value in other letters: that is the same to the key, and another to who looks for it.
                var holder = await GetAsync(entity, where.Item, cancellationToken);
                left.Version = holder is not null && UniqueValue.Of(entity, holder).Any(v => v.Constraint == claim.Constraint && v.Text == claim.Text) ? null : where.Version;
                return holder?.Differs(like, columns) == false ? holder : null;
            }
        }

        return null;
    }

    /// <summary>The children of what is not there any more are nobody's to delete.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/>: the row is gone, or not as it was.</exception>
    public async Task RequireUnchangedAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken)
    {
        var now = await FindAsync(entity, row, entity.PrimaryKey, cancellationToken) ?? throw StoreErrors.Gone(entity, row);
        if (!new BillingRecord(entity, now).Equals(new BillingRecord(entity, row)))
        {
            throw StoreErrors.Changed(entity, row);
        }
    }

    /// <summary>
    /// Waits until what was written before now is in the indexes by which children of an entity are found. Children that come just before it is noted that their parent goes may be there
    /// only then; after the note, none come.
    /// </summary>
    public async Task SettleAsync(IEnumerable<EntityModel> parents, StoreTimes times, CancellationToken cancellationToken)
    {
        if (parents.Distinct().SelectMany(parent => Reference.To(model, parent)).Any(r => !IsFoundInTable(r)))
        {
            await Task.Delay(times.IndexDelay, time, cancellationToken);
        }
    }

    /// <summary>All rows that have the same values as <paramref name="like"/> in some columns, as the table has them now.</summary>
    public async IAsyncEnumerable<RowBuffer> ListAsync(
        EntityModel entity, RowBuffer like, ImmutableArray<int> columns, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var conditions = Conditions(like, columns);
        var path = AccessPath.Find(entity, conditions, null);
        foreach (var partition in path.Partitions)
        {
            var isConsistent = reader.IsConsistent(entity, path.Key);
            var shown = new List<RowBuffer>();
            await foreach (var row in reader.ReadAsync(entity, path, partition, false, null, null, cancellationToken))
            {
                if (!conditions.All(c => c.Holds(entity, row)))
                {
                    continue;
                }

                if (isConsistent)
                {
                    yield return row;
                    continue;
                }

                shown.Add(row);
                if (shown.Count == ItemReader.MostKeys)
                {
                    foreach (var now in await NowAsync(entity, shown, columns, cancellationToken))
                    {
                        yield return now;
                    }

                    shown.Clear();
                }
            }

            foreach (var now in shown.Count > 0 ? await NowAsync(entity, shown, columns, cancellationToken) : [])
            {
                yield return now;
            }
        }
    }

    /// <summary>The same row with the columns of its lookups.</summary>
    /// <param name="unit">Rows that are written with it.</param>
    public async Task<RowBuffer> WithLookupsAsync(EntityModel entity, RowBuffer row, List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> unit, CancellationToken cancellationToken)
    {
        var full = row;
        foreach (var (name, lookup) in entity.Definition.Lookups)
        {
            var targets = Enumerable.Range(0, entity.Row.Length).Where(i => entity.Row[i].Lookup == name).ToArray();
            var parent = model.Entities.FirstOrDefault(e => e.Table.Name.Equals(lookup.Table, StringComparison.OrdinalIgnoreCase));
            if (targets.Length == 0 || parent is null)
            {
                continue;
            }

            var like = RowBuffer.AllNull(parent.Row.Length);
            var columns = ImmutableArray.CreateBuilder<int>();
            foreach (var (own, other) in lookup.On)
            {
                columns.Add(EntityModel.Find(parent.Row, null, other));
                like.Take(columns[^1], row, EntityModel.Find(entity.Row, null, own));
            }

            full = ReferenceEquals(full, row) ? row.Copy() : full;
            var known = columns.Any(like.IsNull) ? null
                : unit.Where(c => c.Model == parent && c.After is { } after && !after.Differs(like, columns.ToImmutable())).Select(c => c.After).FirstOrDefault()
                    ?? await FindAsync(parent, like, columns.ToImmutable(), cancellationToken);
            foreach (var target in targets)
            {
                var source = known is null ? -1 : EntityModel.Find(parent.Row, null, entity.Row[target].Column.Name);
                if (source < 0)
                {
                    full.SetNull(target);
                }
                else
                {
                    full.Take(target, known!, source);
                }
            }
        }

        return full;
    }

    private static bool IsFoundInTable(Reference reference)
    {
        var like = RowBuffer.AllNull(reference.Child.Row.Length);
        foreach (var column in reference.ChildColumns)
        {
            like.Set(column, "0");
        }

        return AccessPath.Find(reference.Child, Conditions(like, reference.ChildColumns), null).Key.Index is null;
    }

    private static ImmutableArray<BoundQueryCondition> Conditions(RowBuffer like, ImmutableArray<int> columns) =>
        [.. columns.Select(c => new BoundQueryCondition(c, [like.IsNull(c) ? null : like[c].ToArray()], null, null))];

    /// <summary>The item's key, when it is made of nothing but these columns.</summary>
    private static ItemKey? KeyOf(EntityModel entity, RowBuffer row, ImmutableArray<int>? columns)
    {
        var key = entity.Keys[0];
        string? Render(BoundKeyTemplate template)
        {
            var text = new ScratchBuffer();
            return template.RowIndexes.All(i => columns is not { } known || known.Contains(i)) && template.HasValue(row) && template.TryRender(row, text, out _) ? Encoding.UTF8.GetString(text.Written) : null;
        }

        return Render(key.PartitionKey[0]) is { } pk && Render(key.SortKey[0]) is { } sk ? new ItemKey(pk, sk) : null;
    }

    /// <summary>Rows that an index shows as the table has them; those that are gone, or have other values in some columns, are left out.</summary>
    private async Task<List<RowBuffer>> NowAsync(EntityModel entity, List<RowBuffer> shown, ImmutableArray<int> columns, CancellationToken cancellationToken)
    {
        var decoder = new RowDecoder(entity);
        var found = await items.GetAsync([.. shown.Select(row => Json(KeyOf(entity, row, null)!.Value))], cancellationToken);
        return [.. found.Select(item => decoder.TryDecode(item.Span)).OfType<RowBuffer>().Where(row => !row.Differs(shown[0], columns))];
    }

    /// <summary>A key that no item has.</summary>
    public static ReadOnlyMemory<byte> NoItem { get; } = Json(new ItemKey("REHEARSAL", "REHEARSAL"));

    private static ReadOnlyMemory<byte> Json(ItemKey key) => JsonSerializer.SerializeToUtf8Bytes(new { pk = new { S = key.Pk }, sk = new { S = key.Sk } });

    private async Task<RowBuffer?> GetAsync(EntityModel entity, ItemKey key, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken) =>
        await GetAsync(entity, key, cancellationToken) is { } row && !row.Differs(like, columns) ? row : null;

    private async Task<RowBuffer?> GetAsync(EntityModel entity, ItemKey key, CancellationToken cancellationToken)
    {
        var found = await items.GetAsync([Json(key)], cancellationToken);
        return found.Count > 0 ? new RowDecoder(entity).TryDecode(found[0].Span) : null;
    }

    private async Task<(ItemKey Item, string? Version)?> ClaimAsync(UniqueValue value, CancellationToken cancellationToken)
    {
        var answer = await client.GetItemAsync(
            new GetItemRequest { TableName = model.Definition.Target.ControlTableName, ConsistentRead = true, Key = new TransactionParts(model.Definition, time).ClaimKey(value) }, cancellationToken);
        return answer.Item is { Count: > 0 } claim ? (new ItemKey(claim["itemPk"].S, claim["itemSk"].S), claim.GetValueOrDefault("version")?.S) : null;
    }
}

/// <summary>A claim to a unique value that nobody holds any more.</summary>
internal sealed class LeftClaim
{
    /// <summary>Null: there is none.</summary>
    public string? Version { get; set; }
}
