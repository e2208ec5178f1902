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

/// <summary>A parent whose children are looked for.</summary>
/// <param name="Shown">What an index showed of them before, or is to be noted now; null: they are read whatever it showed.</param>
internal sealed record ChildWay(ParentLink Link, RowBuffer Parent, ShownChildren? Shown);

/// <summary>Finds the items of the children of parents: by the table's own key or an index, of many parents at the same time.</summary>
internal sealed class ChildFinder(BillingModel model, ItemReader items)
{
    private const int MostQueries = 16;
    private const int MostFound = 256;
    private const int MostGets = 8;
    private const int MostHeld = 1_000;

    /// <param name="Item">As a query returned it: of the table whole, of an index perhaps a part, and perhaps gone.</param>
    private sealed record Hit(ParentLink Link, RowBuffer Parent, ReadOnlyMemory<byte> Item)
    {
        public bool IsWhole => Link.Way!.Index is null;
    }

    /// <summary>Items, as the table has them now, that refer to what the parents were.</summary>
    public async IAsyncEnumerable<FoundChild> FindAsync(
        IEnumerable<ChildWay> ways, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var found = Channel.CreateBounded<Hit>(MostFound);
        var looking = Parallel.ForEachAsync(
            ways,
            new ParallelOptions { MaxDegreeOfParallelism = MostQueries, CancellationToken = stop.Token },
            async (way, token) => await LookAsync(way, found.Writer, token));
        var end = looking.ContinueWith(
            done => found.Writer.Complete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        var gets = new Queue<Task<List<FoundChild>>>();
        try
        {
            using var reader = new Reader(model);
            // An index has few items of each parent: those of many parents are asked for together.
            var some = new List<Hit>(ItemReader.MostKeys);
            await foreach (var hit in found.Reader.ReadAllAsync(cancellationToken))
            {
                if (hit.IsWhole)
                {
                    if (Child(reader, hit.Item, hit) is { } child)
                    {
                        yield return child;
                    }

                    continue;
                }

                some.Add(hit);
                if (some.Count == ItemReader.MostKeys)
                {
                    gets.Enqueue(WholeAsync(some, stop.Token));
                    some = new List<Hit>(ItemReader.MostKeys);
                }

                foreach (var child in gets.Count == MostGets ? await gets.Dequeue() : [])
                {
                    yield return child;
                }
            }

            // Cancelled queries end the channel as finished ones do.
            cancellationToken.ThrowIfCancellationRequested();
            if (some.Count > 0)
            {
                gets.Enqueue(WholeAsync(some, stop.Token));
            }

            while (gets.TryDequeue(out var get))
            {
                foreach (var child in await get)
                {
                    yield return child;
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            await end;
            await ((Task)Task.WhenAll(gets)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The items of some keys, as the table has them now.</summary>
    /// <param name="keys">JSON objects of keys, at most <see cref="ItemReader.MostKeys"/>.</param>
    public async Task<IReadOnlyList<FoundChild>> GetAsync(IReadOnlyList<ReadOnlyMemory<byte>> keys, CancellationToken cancellationToken)
    {
        using var reader = new Reader(model);
        return [.. (await items.GetAsync(keys, cancellationToken)).Select(item => reader.Read(item.Span)).OfType<FoundChild>()];
    }

    private async Task LookAsync(ChildWay way, ChannelWriter<Hit> found, CancellationToken cancellationToken)
    {
        var before = way.Link.Way!.Index is null ? null : way.Shown?.Of(way.Link);
        var held = before is null ? null : new List<Hit>();
        UInt128 sum = 0;
        await foreach (var item in ItemsAsync(way.Link, way.Parent, cancellationToken))
        {
            var hit = new Hit(way.Link, way.Parent, item);
            sum = way.Shown is null ? sum : ShownChildren.Add(sum, ItemKey.Of(item.Span));
            if (held is null)
            {
                await found.WriteAsync(hit, cancellationToken);
                continue;
            }

            held.Add(hit);
            if (held.Count == MostHeld)
            {
                await WriteAsync(held);
                held = null;
            }
        }

        if (before != sum)
        {
            await WriteAsync(held ?? []);
            way.Shown?.Set(way.Link, sum);
        }

        async Task WriteAsync(List<Hit> hits)
        {
            foreach (var hit in hits)
            {
                await found.WriteAsync(hit, cancellationToken);
            }
        }
    }

    private IAsyncEnumerable<ReadOnlyMemory<byte>> ItemsAsync(ParentLink link, RowBuffer parent, CancellationToken cancellationToken)
    {
        var key = link.Way!;
        var text = new ScratchBuffer();
        // No item can have a key that does not render: then any that none has.
        var value = key.PartitionKey[0].TryRender(link.Reference(parent), text, out _) ? Encoding.UTF8.GetString(text.Written) : "#";
        return key.Index is null
            ? items.QueryPartitionAsync(value, key.SortKey is [{ LiteralPrefix.Length: > 0 } only] ? only.LiteralPrefix : null, cancellationToken)
            : items.QueryIndexAsync(key, value, cancellationToken);
    }

    /// <summary>Items of an index as the table has them: an index follows with a delay, and may have a part of each only.</summary>
    private async Task<List<FoundChild>> WholeAsync(List<Hit> hits, CancellationToken cancellationToken)
    {
        var byKey = hits.ToLookup(hit => ItemKey.Of(hit.Item.Span));
        using var reader = new Reader(model);
        var children = new List<FoundChild>(hits.Count);
        foreach (var item in await items.GetAsync([.. byKey.Select(same => same.First().Item)], cancellationToken))
        {
            children.AddRange(byKey[ItemKey.Of(item.Span)].Select(hit => Child(reader, item, hit)).OfType<FoundChild>().Take(1));
        }

        return children;
    }

    private static FoundChild? Child(Reader reader, ReadOnlyMemory<byte> item, Hit hit) =>
        reader.Read(item.Span) is { } child && child.Model == hit.Link.Child && hit.Link.Refers(child.Row, hit.Parent) ? child : null;

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
                // An item may be older than the columns that its entity has now; its row is read from the source.
                decoders.Add(found, known = (new ItemDecoder(found) { IgnoresUnknown = true }, new RowBuffer(found.Row.Length)));
            }

            known.Decoder.Decode(batch.Item(0).Span, known.Row);
            return new FoundChild(found, batch.Item(0).ToArray(), Encoding.UTF8.GetString(batch.Key(0).Span) + "}", known.Row.Copy());
        }
    }
}
