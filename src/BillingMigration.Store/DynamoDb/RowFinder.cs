using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Finds single rows, and the children of rows, as they are now, whatever an index shows yet.</summary>
internal sealed class RowFinder(BillingModel model, StoreCalls calls, ControlKeys keys, ItemReader items, PathReader reader)
{
    /// <summary>A key that no item has.</summary>
    public static ReadOnlyMemory<byte> NoItem { get; } = Json(new ItemKey("REHEARSAL", "REHEARSAL"));

    /// <summary>The row that has the same values as <paramref name="like"/> in some columns that are unique, as the source compares them; null: none has.</summary>
    public Task<RowBuffer?> FindAsync(EntityModel entity, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken) =>
        FindAsync(entity, like, columns, null, cancellationToken);

    /// <inheritdoc cref="FindAsync(EntityModel, RowBuffer, ImmutableArray{int}, CancellationToken)"/>
    /// <param name="otherwise">Where no key finds rows by these columns alone, a way on which the row lies; null: there must be one.</param>
    public async Task<RowBuffer?> FindAsync(
        EntityModel entity, RowBuffer like, ImmutableArray<int> columns, AccessPath? otherwise, CancellationToken cancellationToken)
    {
        if (KeyOf(entity, like, columns) is { } key)
        {
            return await GetAsync(entity, key, cancellationToken) is { } row && entity.IsSame(row, like, columns) ? row : null;
        }

        var path = otherwise is null ? PathTo(entity, like, columns) : TryPathTo(entity, like, columns) ?? otherwise;
        return await FindOnAsync(path, entity, like, columns, cancellationToken) ?? await FindClaimedAsync(entity, like, columns, cancellationToken);
    }

    /// <summary>The way to the rows that have the same values as <paramref name="like"/> in some columns.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.NoAccessPath"/>.</exception>
    public static AccessPath PathTo(EntityModel entity, RowBuffer like, ImmutableArray<int> columns) =>
        AccessPath.Find(entity, Conditions(like, columns), null, Rank(entity, columns));

    /// <summary>The way to the rows that refer to a parent.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.NoAccessPath"/>.</exception>
    public static (AccessPath Path, bool IsInTable) PathToChildren(EntityModel child, RowBuffer like, ImmutableArray<int> columns) =>
        AccessPath.FindInTable(child, Conditions(like, columns)) is { } own ? (own, true) : (PathTo(child, like, columns), false);

    /// <summary>The row by an index. One that a store has just written may not be in it yet.</summary>
    public Task<RowBuffer?> FindMigratedAsync(EntityModel entity, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken) =>
        FindOnAsync(PathTo(entity, like, columns), entity, like, columns, cancellationToken);

    /// <summary>The row by the claim to its unique value: there is one for each value that a store has written.</summary>
    public async Task<RowBuffer?> FindClaimedAsync(EntityModel entity, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken)
    {
        // A view does not see claims.
        return model.Definition.View is null && UniqueValue.Of(entity, like).FirstOrDefault(v => v.Columns.Length == columns.Length && v.Columns.All(columns.Contains)) is { } value
            && await FindClaimAsync(value, cancellationToken) is { } claim && await HolderAsync(entity, value, claim, cancellationToken) is { } holder && entity.IsSame(holder, like, columns) ? holder : null;
    }

    /// <summary>What says who has a unique value.</summary>
    public async Task<Claim?> FindClaimAsync(UniqueValue value, CancellationToken cancellationToken)
    {
        var answer = await calls.RunAsync(
            (client, token) => client.GetItemAsync(new GetItemRequest { TableName = keys.Table, ConsistentRead = true, Key = keys.Claim(value) }, token), cancellationToken);
        return Claim.Of(answer.Item);
    }

    /// <summary>The row that a claim names, or the one that has the value by now.</summary>
    /// <returns>Null: none has. The claim was left, because the source has changed its row while applications worked there, or its large unit has yet
    /// to write it.</returns>
    public async Task<RowBuffer?> HolderAsync(EntityModel entity, UniqueValue value, Claim claim, CancellationToken cancellationToken)
    {
        for (var (named, isSettled) = (claim, false); ;)
        {
            var row = await GetAsync(entity, named.Item, cancellationToken);
            if (row is not null && (isSettled || Has(row)))
            {
                return Has(row) ? row : null;
            }

            // Its item may have moved in between, or its transaction is seen in part: what there is at one moment decides.
            var found = await calls.ReadAtOnceAsync([(keys.Table, keys.Claim(value)), (model.Definition.Target.Table, ItemCodec.Attributes(named.Item))], cancellationToken);
            if (Claim.Of(found[0]) is not { } now || (now.Item == named.Item && found[1] is null))
            {
                return null;
            }

            (named, isSettled) = (now, now.Item == named.Item);
        }

        bool Has(RowBuffer row) => UniqueValue.Of(entity, row).Any(v => v.Constraint == value.Constraint && v.Text == value.Text);
    }

    public async Task<RowBuffer?> GetAsync(EntityModel entity, ItemKey key, CancellationToken cancellationToken)
    {
        var found = await items.GetAsync([Json(key)], cancellationToken);
        return found.Count > 0 ? new RowDecoder(entity).TryDecode(found[0].Span) : null;
    }

    /// <summary>Rows of what came last to a partition, as they are when all of what brought them is there.</summary>
    public async Task<IReadOnlyList<(EntityModel Model, RowBuffer Row)>> RecentAsync(PartitionVersion version, CancellationToken cancellationToken)
    {
        var rows = new List<(EntityModel, RowBuffer)>();
        foreach (var some in version.Recent.Chunk(UnitParts.Most))
        {
            await AddAsync(some);
        }

        return rows;

        async Task AddAsync(ItemKey[] some)
        {
            Dictionary<string, AttributeValue>?[] found;
            try
            {
                found = await calls.ReadAtOnceAsync([.. some.Select(k => (model.Definition.Target.Table, ItemCodec.Attributes(k)))], cancellationToken);
            }
            catch (Exception e) when (some.Length > 1 && TooLarge.InAll(e))
            {
                // Each is to be seen after what brought it, not all at one moment.
                await AddAsync(some[..(some.Length / 2)]);
                await AddAsync(some[(some.Length / 2)..]);
                return;
            }

            foreach (var item in found.OfType<Dictionary<string, AttributeValue>>())
            {
                if (model.Entities.FirstOrDefault(e => e.Entity == item[EntityModel.EntityAttribute].S) is { } entity
                    && new RowDecoder(entity).TryDecode(ItemImage.Json(item)) is { } row)
                {
                    rows.Add((entity, row));
                }
            }
        }
    }

    /// <summary>The item with everything that stands in it, also what the model does not know.</summary>
    public async Task<Dictionary<string, AttributeValue>?> ItemAsync(ItemKey key, CancellationToken cancellationToken)
    {
        var found = await items.GetAsync([Json(key)], cancellationToken);
        return found.Count > 0 ? ItemImage.Parse(found[0]) : null;
    }

    /// <summary>
    /// All rows that refer to a parent. Those of the parent's own partition are read from the table; those elsewhere are found by what their transactions left in the control table, and, when they were
    /// migrated, by an index. Complete while the version of the parent's partition is what it was before.
    /// </summary>
    public async IAsyncEnumerable<RowBuffer> ChildrenAsync(Reference reference, RowBuffer parent, ItemKey parentKey, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!reference.IsReferable(parent))
        {
            yield break;
        }

        var (child, columns, like) = (reference.Child, reference.ChildColumns, reference.ChildRow(parent));
        var (path, isInTable) = PathToChildren(child, like, columns);
        if (isInTable)
        {
            await foreach (var row in ListAsync(child, like, columns, path, cancellationToken))
            {
                yield return row;
            }

            yield break;
        }

        var shown = new HashSet<ItemKey>();
        await foreach (var row in ListAsync(child, like, columns, AccessPath.OfPartition(child, parentKey.Pk), cancellationToken))
        {
            shown.Add(KeyOf(child, row, null)!.Value);
            yield return row;
        }

        await foreach (var key in ReferringAsync(reference, parent, cancellationToken))
        {
            if (shown.Add(key) && await GetAsync(child, key, cancellationToken) is { } row && child.IsSame(row, like, columns))
            {
                yield return row;
            }
        }

        await foreach (var row in ListAsync(child, like, columns, path, cancellationToken))
        {
            if (shown.Add(KeyOf(child, row, null)!.Value))
            {
                yield return row;
            }
        }
    }

    /// <summary>Partitions that children of a parent may be in, besides its own.</summary>
    public async IAsyncEnumerable<string> PartitionsElsewhereAsync(
        Reference reference, RowBuffer parent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (child, like) = (reference.Child, reference.ChildRow(parent));
        if (!reference.IsReferable(parent) || PathToChildren(child, like, reference.ChildColumns) is not { IsInTable: false, Path: var path })
        {
            yield break;
        }

        await foreach (var key in ReferringAsync(reference, parent, cancellationToken))
        {
            yield return key.Pk;
        }

        foreach (var partition in path.Partitions)
        {
            await foreach (var row in reader.ReadAsync(child, path, partition, false, null, null, cancellationToken))
            {
                yield return KeyOf(child, row, null)!.Value.Pk;
            }
        }
    }

    /// <summary>
    /// Rows that refer to what a child loses with its parent (SET NULL): a value that others refer to does not change, as the source's ON UPDATE
    /// RESTRICT says.
    /// </summary>
    public async IAsyncEnumerable<(Reference Reference, RowBuffer Row)> OfReleasedAsync(
        Reference reference, RowBuffer child, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var other in Reference.To(model, reference.Child).Where(r => r.ParentColumns.Any(reference.ChildColumns.Contains)))
        {
            await foreach (var row in ChildrenAsync(other, child, KeyOf(reference.Child, child, null)!.Value, cancellationToken))
            {
                yield return (other, row);
            }
        }
    }

    /// <summary>The same row with the columns of its lookups. Where the parent is gone, the row keeps what its item's key says of it.</summary>
    /// <param name="unit">Rows that are written with it.</param>
    public async Task<RowBuffer> WithLookupsAsync(EntityModel entity, RowBuffer row, IReadOnlyList<RowChange> unit, CancellationToken cancellationToken)
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
                : unit.Where(c => c.Model == parent && c.After is { } after && parent.IsSame(after, like, columns.ToImmutable())).Select(c => c.After).FirstOrDefault()
                    ?? await FindAsync(parent, like, columns.ToImmutable(), cancellationToken);
            foreach (var target in targets)
            {
                var source = known is null ? -1 : EntityModel.Find(parent.Row, null, entity.Row[target].Column.Name);
                if (columns.Any(like.IsNull))
                {
                    full.SetNull(target);
                }
                else if (source >= 0)
                {
                    full.Take(target, known!, source);
                }
            }
        }

        return full;
    }

    /// <summary>The item's key, when it is made of nothing but these columns; null for columns: of all that the row has.</summary>
    public static ItemKey? KeyOf(EntityModel entity, RowBuffer row, ImmutableArray<int>? columns)
    {
        var key = entity.Keys[0];
        string? Render(BoundKeyTemplate template)
        {
            var text = new ScratchBuffer();
            return template.RowIndexes.All(i => columns is not { } known || known.Contains(i)) && template.HasValue(row) && template.TryRender(row, text, out _) ? Encoding.UTF8.GetString(text.Written) : null;
        }

        return Render(key.PartitionKey[0]) is { } pk && Render(key.SortKey[0]) is { } sk ? new ItemKey(pk, sk) : null;
    }

    private static AccessPath? TryPathTo(EntityModel entity, RowBuffer like, ImmutableArray<int> columns) =>
        AccessPath.TryFind(entity, Conditions(like, columns), null, Rank(entity, columns));

    /// <summary>Keys that find texts as the source compares them come first.</summary>
    private static Func<KeyModel, int> Rank(EntityModel entity, ImmutableArray<int> columns) =>
        key => columns.Any(c => entity.ComparesByCollation(c) && !key.IsCollated(c)) ? 1 : 0;

    private async Task<RowBuffer?> FindOnAsync(
        AccessPath path, EntityModel entity, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken)
    {
        await foreach (var row in ListAsync(entity, like, columns, path, cancellationToken))
        {
            return row;
        }

        return null;
    }

    private async IAsyncEnumerable<RowBuffer> ListAsync(
        EntityModel entity, RowBuffer like, ImmutableArray<int> columns, AccessPath path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var partition in path.Partitions)
        {
            var isConsistent = reader.IsConsistent(entity, path.Key);
            var shown = new List<RowBuffer>();
            await foreach (var row in reader.ReadAsync(entity, path, partition, false, null, null, cancellationToken))
            {
                if (!entity.IsSame(row, like, columns))
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
                    foreach (var now in await NowAsync(entity, shown, like, columns, cancellationToken))
                    {
                        yield return now;
                    }

                    shown.Clear();
                }
            }

            foreach (var now in shown.Count > 0 ? await NowAsync(entity, shown, like, columns, cancellationToken) : [])
            {
                yield return now;
            }
        }
    }

    private async IAsyncEnumerable<ItemKey> ReferringAsync(Reference reference, RowBuffer parent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var query = new QueryRequest
        {
            TableName = keys.Table, ConsistentRead = true, KeyConditionExpression = "pk = :p", ExpressionAttributeValues = new() { [":p"] = keys.References(reference, parent) },
        };
        do
        {
            var page = await calls.RunAsync((client, token) => client.QueryAsync(query, token), cancellationToken);
            foreach (var item in page.Items ?? [])
            {
                yield return new ItemKey(item["itemPk"].S, item["itemSk"].S);
            }

            query.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (query.ExclusiveStartKey is { Count: > 0 });
    }

    private static ImmutableArray<BoundQueryCondition> Conditions(RowBuffer like, ImmutableArray<int> columns) =>
        [.. columns.Select(c => new BoundQueryCondition(c, [like.IsNull(c) ? null : like[c].ToArray()], null, null))];

    /// <summary>Rows that an index shows as the table has them; those that are gone, or have other values in some columns, are left out.</summary>
    private async Task<List<RowBuffer>> NowAsync(EntityModel entity, List<RowBuffer> shown, RowBuffer like, ImmutableArray<int> columns, CancellationToken cancellationToken)
    {
        var decoder = new RowDecoder(entity);
        var found = await items.GetAsync([.. shown.Select(row => Json(KeyOf(entity, row, null)!.Value))], cancellationToken);
        return [.. found.Select(item => decoder.TryDecode(item.Span)).OfType<RowBuffer>().Where(row => entity.IsSame(row, like, columns))];
    }

    private static ReadOnlyMemory<byte> Json(ItemKey key) => JsonSerializer.SerializeToUtf8Bytes(new { pk = new { S = key.Pk }, sk = new { S = key.Sk } });
}

/// <summary>A row's claim to a unique value.</summary>
/// <param name="Version">Another each time.</param>
/// <param name="Holder">Id of the large unit that has made it and writes its row last; null: the row was written with it.</param>
internal sealed record Claim(ItemKey Item, string Version, string? Holder)
{
    public static Claim? Of(Dictionary<string, AttributeValue>? item) => item is { Count: > 0 }
        ? new Claim(new ItemKey(item["itemPk"].S, item["itemSk"].S), item["version"].S, item.GetValueOrDefault(PartitionVersions.Holder)?.S)
        : null;
}
