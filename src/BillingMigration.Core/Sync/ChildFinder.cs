using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>An item that refers to a changed parent.</summary>
/// <param name="Item">In canonical form.</param>
/// <param name="KeyText">JSON object of its key.</param>
internal sealed record FoundChild(EntityModel Model, byte[] Item, string KeyText, RowBuffer Row);

/// <summary>Finds the items of the children of parents: by the table's own key or an index, of many parents at the same time.</summary>
internal sealed class ChildFinder(BillingModel model, ItemReader items)
{
    private const int MostQueries = 16;
    private const int MostFound = 256;

    /// <summary>Items, as the table has them now, that refer to what the parents were.</summary>
    public async IAsyncEnumerable<FoundChild> FindAsync(
        IEnumerable<(ParentLink Link, RowBuffer Parent)> parents, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var found = Channel.CreateBounded<FoundChild>(MostFound);
        var looking = Parallel.ForEachAsync(
            parents,
            new ParallelOptions { MaxDegreeOfParallelism = MostQueries, CancellationToken = stop.Token },
            async (parent, token) =>
            {
                using var reader = new Reader(model);
                await foreach (var item in ItemsAsync(parent.Link, parent.Parent, token))
                {
                    if (reader.Read(item.Span) is { } child && child.Model == parent.Link.Child && parent.Link.Refers(child.Row, parent.Parent))
                    {
                        await found.Writer.WriteAsync(child, token);
                    }
                }
            });
        var end = looking.ContinueWith(
            done => found.Writer.Complete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            await foreach (var one in found.Reader.ReadAllAsync(cancellationToken))
            {
                yield return one;
            }

            // Cancelled queries end the channel as finished ones do.
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            await stop.CancelAsync();
            await end;
        }
    }

    /// <summary>The items of some keys, as the table has them now.</summary>
    /// <param name="keys">JSON objects of keys, at most <see cref="ItemReader.MostKeys"/>.</param>
    public async Task<IReadOnlyList<FoundChild>> GetAsync(IReadOnlyList<ReadOnlyMemory<byte>> keys, CancellationToken cancellationToken)
    {
        using var reader = new Reader(model);
        return [.. (await items.GetAsync(keys, cancellationToken)).Select(item => reader.Read(item.Span)).OfType<FoundChild>()];
    }

    private IAsyncEnumerable<ReadOnlyMemory<byte>> ItemsAsync(ParentLink link, RowBuffer parent, CancellationToken cancellationToken)
    {
        var key = link.Way!;
        var text = new ScratchBuffer();
        // No item can have a key that does not render: then any that none has.
        var value = key.PartitionKey[0].TryRender(link.Reference(parent), text, out _) ? Encoding.UTF8.GetString(text.Written) : "#";
        return key.Index is null
            ? items.QueryPartitionAsync(value, key.SortKey is [{ LiteralPrefix.Length: > 0 } only] ? only.LiteralPrefix : null, cancellationToken)
            : WholeAsync(items.QueryIndexAsync(key.Index, key.PartitionKeyAttribute, value, cancellationToken), cancellationToken);
    }

    /// <summary>Items of an index as the table has them: an index follows with a delay, and may have a part of each only.</summary>
    private async IAsyncEnumerable<ReadOnlyMemory<byte>> WholeAsync(IAsyncEnumerable<ReadOnlyMemory<byte>> found, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var some = new List<ReadOnlyMemory<byte>>(ItemReader.MostKeys);
        await foreach (var item in found.WithCancellation(cancellationToken))
        {
            some.Add(item);
            if (some.Count == ItemReader.MostKeys)
            {
                foreach (var whole in await items.GetAsync(some, cancellationToken))
                {
                    yield return whole;
                }

                some.Clear();
            }
        }

        if (some.Count > 0)
        {
            foreach (var whole in await items.GetAsync(some, cancellationToken))
            {
                yield return whole;
            }
        }
    }

    /// <summary>Reads items as they come, whatever their entity.</summary>
    private sealed class Reader(BillingModel model) : IDisposable
    {
        private readonly ItemCanonicalizer canonical = new(model.Entities);
        private readonly Dictionary<EntityModel, (ItemDecoder Decoder, RowBuffer Row)> decoders = [];
        private readonly ItemBatch batch = new();

        public void Dispose() => batch.Dispose();

        /// <returns>Null for an item of no entity.</returns>
        public FoundChild? Read(ReadOnlySpan<byte> item)
        {
            batch.Clear();
            if (canonical.Append(item, batch) is not (>= 0 and var entity))
            {
                return null;
            }

            var found = model.Entities[entity];
            if (!decoders.TryGetValue(found, out var known))
            {
                decoders.Add(found, known = (new ItemDecoder(found), new RowBuffer(found.Row.Length)));
            }

            known.Decoder.Decode(batch.Item(0).Span, known.Row);
            return new FoundChild(found, batch.Item(0).ToArray(), Encoding.UTF8.GetString(batch.Key(0).Span) + "}", known.Row.Copy());
        }
    }
}
