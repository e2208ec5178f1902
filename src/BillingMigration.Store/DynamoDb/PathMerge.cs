using System.Runtime.CompilerServices;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Partitions that are each in a query's order, read side by side into one order.</summary>
internal static class PathMerge
{
    /// <summary>Partitions whose first pages are read at the same time.</summary>
    public const int MostReaders = 16;

    /// <summary>Partitions of later steps are read ahead as long as there are no more than these, those of the present step included.</summary>
    private const int MostAhead = 4;

    /// <param name="given">What of the order the partitions have: rows of the same value are put into that of the primary key here.</param>
    /// <param name="steps">All rows of one step come before those of the next.</param>
    public static IAsyncEnumerable<RowBuffer> MergeAsync(BoundQuery query, GivenOrder given, IReadOnlyList<IReadOnlyList<IAsyncEnumerable<RowBuffer>>> steps, CancellationToken cancellationToken)
    {
        // What does not match may lie elsewhere in the order.
        IAsyncEnumerable<RowBuffer> Ordered(IAsyncEnumerable<RowBuffer> partition) => given == GivenOrder.Whole ? MatchingAsync(query, partition, cancellationToken) : InOrderAsync(query, partition, cancellationToken);
        return steps is [[var one]] ? Ordered(one) : MergeAsync(query, [.. steps.Select(s => s.Select(Ordered).ToArray())], cancellationToken);
    }

    private static async IAsyncEnumerable<RowBuffer> MatchingAsync(BoundQuery query, IAsyncEnumerable<RowBuffer> partition, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var row in partition.WithCancellation(cancellationToken))
        {
            if (query.Matches(row))
            {
                yield return row;
            }
        }
    }

    private static async IAsyncEnumerable<RowBuffer> InOrderAsync(BoundQuery query, IAsyncEnumerable<RowBuffer> partition, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var equals = new List<RowBuffer>();
        await foreach (var row in MatchingAsync(query, partition, cancellationToken))
        {
            foreach (var sorted in equals.Count > 0 && !query.IsOfSameValue(equals[0], row) ? Sorted() : [])
            {
                yield return sorted;
            }

            equals.Add(row);
        }

        foreach (var sorted in Sorted())
        {
            yield return sorted;
        }

        RowBuffer[] Sorted()
        {
            RowBuffer[] sorted = [.. equals.Order(Comparer<RowBuffer>.Create(query.Compare))];
            equals.Clear();
            return sorted;
        }
    }

    private static async IAsyncEnumerable<RowBuffer> MergeAsync(BoundQuery query, IAsyncEnumerable<RowBuffer>[][] steps, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var turns = new SemaphoreSlim(MostReaders);
        var begun = new Queue<BegunPartition[]>();
        try
        {
            for (var next = 0; next < steps.Length || begun.Count > 0;)
            {
                while (next < steps.Length && (begun.Count == 0 || begun.Sum(s => s.Length) + steps[next].Length <= MostAhead))
                {
                    begun.Enqueue([.. steps[next++].Select(p => new BegunPartition(p, turns, ended.Token))]);
                }

                await foreach (var row in MergeAsync(query, begun.Peek()))
                {
                    yield return row;
                }

                foreach (var partition in begun.Dequeue())
                {
                    await partition.DisposeAsync();
                }
            }
        }
        finally
        {
            await ended.CancelAsync();
            foreach (var partition in begun.SelectMany(s => s))
            {
                await partition.DisposeAsync();
            }
        }
    }

    private static async IAsyncEnumerable<RowBuffer> MergeAsync(BoundQuery query, BegunPartition[] partitions)
    {
        var heads = new PriorityQueue<IAsyncEnumerator<RowBuffer>, RowBuffer>(Comparer<RowBuffer>.Create(query.Compare));
        await Task.WhenAll(partitions.Select(p => p.First));
        foreach (var partition in partitions)
        {
            if (await partition.First)
            {
                heads.Enqueue(partition.Rows, partition.Rows.Current);
            }
        }

        while (heads.TryDequeue(out var least, out var row))
        {
            yield return row;
            if (await least.MoveNextAsync())
            {
                heads.Enqueue(least, least.Current);
            }
        }
    }

    /// <summary>A partition whose first page is on its way, or waits for its turn.</summary>
    private sealed class BegunPartition : IAsyncDisposable
    {
        public BegunPartition(IAsyncEnumerable<RowBuffer> partition, SemaphoreSlim turns, CancellationToken cancellationToken)
        {
            Rows = partition.GetAsyncEnumerator(cancellationToken);
            First = BeginAsync(turns, cancellationToken);
        }

        public IAsyncEnumerator<RowBuffer> Rows { get; }

        /// <summary>False: it has no row.</summary>
        public Task<bool> First { get; }

        public async ValueTask DisposeAsync()
        {
            await ((Task)First).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Rows.DisposeAsync();
        }

        private async Task<bool> BeginAsync(SemaphoreSlim turns, CancellationToken cancellationToken)
        {
            await turns.WaitAsync(cancellationToken);
            try
            {
                return await Rows.MoveNextAsync();
            }
            finally
            {
                turns.Release();
            }
        }
    }
}
