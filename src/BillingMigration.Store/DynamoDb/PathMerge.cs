using System.Runtime.CompilerServices;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Partitions that are each in a query's order, read side by side into one order.</summary>
internal static class PathMerge
{
    public static async IAsyncEnumerable<RowBuffer> MergeAsync(
        BoundQuery query, IReadOnlyList<IAsyncEnumerable<RowBuffer>> partitions, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var heads = new PriorityQueue<IAsyncEnumerator<RowBuffer>, RowBuffer>(Comparer<RowBuffer>.Create(query.Compare));
        var readers = partitions.Select(p => p.GetAsyncEnumerator(cancellationToken)).ToArray();
        try
        {
            // The first pages come at the same time.
            var first = await Task.WhenAll(readers.Select(r => r.MoveNextAsync().AsTask()));
            foreach (var reader in readers.Where((_, i) => first[i]))
            {
                heads.Enqueue(reader, reader.Current);
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
        finally
        {
            foreach (var reader in readers)
            {
                await reader.DisposeAsync();
            }
        }
    }
}
