using System.Runtime.CompilerServices;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Reads the rows of an access path.</summary>
internal sealed class PathReader(MigrationDefinition definition, ItemReader items)
{
    private const int Ahead = 25;

    /// <summary>Rows of one partition of a path, in its order.</summary>
    /// <param name="needed">Columns that the caller looks at; null: all of them.</param>
    public async IAsyncEnumerable<RowBuffer> ReadAsync(
        EntityModel model, AccessPath path, string partition, bool descending, int? wanted, IReadOnlyCollection<int>? needed, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var decoder = new RowDecoder(model);
        var query = new ItemQuery(path.Key.Index, path.Key.PartitionKeyAttribute, partition, path.Key.SortKeyAttribute, path.From, path.Below, descending, wanted is { } rows ? Math.Max(rows, Ahead) : null)
        {
            Attributes = AttributesIn(path.Key.Index),
        };
        var found = items.QueryAsync(query, cancellationToken);
        if (IsWhole(model, path.Key, needed))
        {
            await foreach (var item in found)
            {
                if (decoder.TryDecode(item.Span) is { } row)
                {
                    yield return row;
                }
            }

            yield break;
        }

        var some = new List<ReadOnlyMemory<byte>>(ItemReader.MostKeys);
        await foreach (var item in found)
        {
            some.Add(item);
            if (some.Count >= Math.Min(ItemReader.MostKeys, wanted ?? ItemReader.MostKeys))
            {
                foreach (var row in await WholeAsync(some, decoder, cancellationToken))
                {
                    yield return row;
                }

                some.Clear();
            }
        }

        foreach (var row in some.Count > 0 ? await WholeAsync(some, decoder, cancellationToken) : [])
        {
            yield return row;
        }
    }

    /// <summary>True when what is read is what the table has now, whatever the key.</summary>
    public bool IsConsistent(EntityModel model, KeyModel key) => key.Index is null || !IsWhole(model, key, null);

    /// <summary>An index refuses to be asked for an attribute that it does not have.</summary>
    private string[]? AttributesIn(string? index) => items.Attributes is not { } all ? null
        : index is not null && definition.Indexes.First(i => i.Name == index) is { Include: { } included } of
            ? [.. all.Where(a => a is EntityModel.PartitionKey or EntityModel.SortKey || a == of.PartitionKeyAttribute || a == of.SortKeyAttribute || included.Contains(a))]
            : [.. all];

    /// <summary>The items of an index that has only a part of each, as the table has them; in the order of the index.</summary>
    private async Task<List<RowBuffer>> WholeAsync(List<ReadOnlyMemory<byte>> found, RowDecoder decoder, CancellationToken cancellationToken)
    {
        var whole = (await items.GetAsync(found, cancellationToken)).ToDictionary(i => ItemKey.Of(i.Span));
        return [.. found.Select(f => whole.TryGetValue(ItemKey.Of(f.Span), out var item) ? decoder.TryDecode(item.Span) : null).OfType<RowBuffer>()];
    }

    /// <summary>True when the key's items have all that is needed.</summary>
    private bool IsWhole(EntityModel model, KeyModel key, IReadOnlyCollection<int>? needed)
    {
        if (key.Index is null || definition.Indexes.First(i => i.Name == key.Index).Include is not { } included)
        {
            return true;
        }

        return needed is not null && included.Contains(EntityModel.EntityAttribute)
            && needed.All(i => model.Attributes.FirstOrDefault(a => a.RowIndex == i) is { } attribute && included.Contains(attribute.Name));
    }
}
