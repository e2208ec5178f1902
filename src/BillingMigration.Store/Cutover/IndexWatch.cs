using BillingMigration.Definition;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Store.Cutover;

/// <summary>
/// Asks the indexes until they show what the changes of the source put into the table. A store looks for children and unique values of migrated
/// rows there, and an index is behind the table by any time
/// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes).
/// </summary>
internal sealed class IndexWatch(MigrationSession session) : IDisposable
{
    private const int AtOnce = 16;

    /// <summary>Of more changes than that, the first were written long before the last.</summary>
    private const int MostKept = 10_000;

    /// <summary>So many neighbours are read together; what is beyond them is asked for by itself.</summary>
    private const int MostNeighbours = 2_000;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ItemReader reader = new(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
    private Queue<Suspect> behind = new();

    /// <summary>The row of a changed item; the item may be gone.</summary>
    public void Add(Suspect changed)
    {
        behind.Enqueue(changed);
        while (behind.Count > MostKept)
        {
            behind.Dequeue();
        }
    }

    /// <summary>Asks once; what all indexes show is not asked for again.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var asked = behind.DistinctBy(s => s.KeyText).ToArray();
        var places = await AllAsync(asked.Chunk(ItemReader.MostKeys), ReadAsync, cancellationToken);
        var hidden = (await AllAsync(places.GroupBy(p => (p.Index, p.Partition)), HiddenAsync, cancellationToken)).Select(p => p.Item).ToHashSet();
        behind = new(asked.Where(s => hidden.Contains(ItemKey.Of(s.Key))));
    }

    /// <summary>Asks until nothing is left.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await LookAsync(cancellationToken);
            if (behind.Count == 0)
            {
                return;
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    public void Dispose() => reader.Dispose();

    private static async Task<IReadOnlyList<Place>> AllAsync<T>(
        IEnumerable<T> asked, Func<T, CancellationToken, Task<IEnumerable<Place>>> ask, CancellationToken cancellationToken)
    {
        var found = new List<Place>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(asked, options, async (one, token) =>
        {
            var more = await ask(one, token);
            lock (found)
            {
                found.AddRange(more);
            }
        });
        return found;
    }

    /// <summary>Where the items are to be seen in the indexes.</summary>
    private async Task<IEnumerable<Place>> ReadAsync(Suspect[] changed, CancellationToken cancellationToken) =>
        from json in await reader.GetAsync([.. changed.Select(s => (ReadOnlyMemory<byte>)s.Key)], cancellationToken)
        let item = ItemImage.Parse(json)
        from index in session.Definition.Indexes
        where item.ContainsKey(index.PartitionKeyAttribute) && item.ContainsKey(index.SortKeyAttribute)
        select new Place(index, item[index.PartitionKeyAttribute].S, item[index.SortKeyAttribute].S, ItemKey.Of(json.Span));

    /// <summary>The places of one partition that the index does not show.</summary>
    private async Task<IEnumerable<Place>> HiddenAsync(IGrouping<(IndexDefinition Index, string Partition), Place> asked, CancellationToken cancellationToken)
    {
        var hidden = asked.ToHashSet();
        if (hidden.Count > 1)
        {
            var sorted = asked.Select(p => p.Sort).Order(StringComparer.Ordinal).ToArray();
            await TakeShownAsync(asked.Key, sorted[0], sorted[^1], MostNeighbours, hidden, cancellationToken);
        }

        foreach (var place in hidden.ToArray())
        {
            await TakeShownAsync(asked.Key, place.Sort, place.Sort, int.MaxValue, hidden, cancellationToken);
        }

        return hidden;
    }

    private async Task TakeShownAsync(
        (IndexDefinition Index, string Partition) of, string from, string to, int most, HashSet<Place> hidden, CancellationToken cancellationToken)
    {
        var query = new ItemQuery(of.Index.Name, of.Index.PartitionKeyAttribute, of.Partition, of.Index.SortKeyAttribute, from, to, false, null)
        {
            Attributes = [of.Index.SortKeyAttribute, EntityModel.PartitionKey, EntityModel.SortKey],
        };
        await foreach (var json in reader.QueryAsync(query, cancellationToken))
        {
            hidden.Remove(new Place(of.Index, of.Partition, ItemImage.Parse(json)[of.Index.SortKeyAttribute].S, ItemKey.Of(json.Span)));
            if (hidden.Count == 0 || --most == 0)
            {
                return;
            }
        }
    }

    /// <summary>An item in an index.</summary>
    private sealed record Place(IndexDefinition Index, string Partition, string Sort, ItemKey Item);
}
