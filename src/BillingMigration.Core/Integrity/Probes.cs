using System.Collections.Immutable;
using System.Text;
using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>
/// Looks up the item of every row that a bucket names. What does not agree is suspect; what was found is taken out of the table's digests, so that what remains
/// in them belongs to no row.
/// </summary>
/// <param name="buckets">By entity; null: none of its rows.</param>
/// <param name="remaining">Null: nothing is to be taken out.</param>
internal sealed class RowProbe(
    ImmutableArray<EntityModel> models, BucketSet?[]? buckets, DigestPair? remaining, TargetSide target, ISuspects suspects) : IRowVisitor
{
    private const int MostWaiting = 1000;

    private readonly List<Entry> waiting = [];

    private sealed record Entry(int Entity, byte[] Item, byte[] Key, RowBuffer Row);

    public bool IsFull => waiting.Count >= MostWaiting;

    public void Visit(int entity, RowBuffer row, ItemBatch item, in RowRefusal refusal)
    {
        if (item.Count == 0)
        {
            suspects.AddRefused(entity, row);
            return;
        }

        var key = item.Key(0).Span;
        if (buckets is null || (buckets[entity] is { } set && set.Contains(remaining!.Source[entity].BucketOf(key))))
        {
            waiting.Add(new Entry(entity, item.Item(0).ToArray(), Suspect.KeyOf(key), RowIdentity.Of(models[entity], row)));
        }
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (waiting.Count == 0)
        {
            await suspects.SettleAsync(cancellationToken);
            return;
        }

        var left = new Dictionary<string, Entry>(waiting.Count, StringComparer.Ordinal);
        foreach (var entry in waiting)
        {
            left[Encoding.UTF8.GetString(entry.Key)] = entry;
        }

        await target.GetAsync([.. waiting.Select(e => (ReadOnlyMemory<byte>)e.Key)], (entity, batch) => Compare(left, entity, batch), cancellationToken);
        foreach (var entry in left.Values)
        {
            suspects.Add(new Suspect(entry.Entity, entry.Key, entry.Row, DifferenceKind.Missing));
        }

        waiting.Clear();
        await suspects.SettleAsync(cancellationToken);
    }

    public void EndPart(int entity, SnapshotRange range)
    {
    }

    private void Compare(Dictionary<string, Entry> left, int entity, ItemBatch batch)
    {
        var key = batch.Key(0).Span;
        remaining?.TargetOf(entity).Remove(batch.Item(0).Span, key);
        if (left.Remove(Encoding.UTF8.GetString(key) + "}", out var entry) && !batch.Item(0).Span.SequenceEqual(entry.Item))
        {
            suspects.Add(new Suspect(entry.Entity, entry.Key, entry.Row, DifferenceKind.Different));
        }
    }
}

/// <summary>Looks up the row of every item that a bucket names. What does not agree is suspect.</summary>
/// <param name="buckets">By entity, that of items of no entity last; null: none of its items.</param>
internal sealed class ItemProbe(
    ImmutableArray<EntityModel> models, BucketSet?[] buckets, DigestPair digests, SourceLookup source, ISuspects suspects) : IItemVisitor
{
    private const int MostWaiting = 1000;

    private readonly List<Entry> waiting = [];

    private sealed record Entry(int Entity, byte[] Item, byte[] Key, RowBuffer? Row);

    public bool IsFull => waiting.Count >= MostWaiting;

    public void Visit(int entity, ItemBatch item)
    {
        var key = item.Key(0).Span;
        var set = buckets[entity < 0 ? ^1 : entity];
        if (set is null || !set.Contains(digests.TargetOf(entity).BucketOf(key)))
        {
            return;
        }

        var bytes = item.Item(0).ToArray();
        waiting.Add(new Entry(entity, bytes, Suspect.KeyOf(key), entity < 0 ? null : RowIdentity.Of(models[entity], bytes)));
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        foreach (var group in waiting.GroupBy(e => e.Entity).ToArray())
        {
            var known = group.Where(e => e.Row is not null).ToArray();
            var rows = known.Length == 0 ? null : await source.ReadAsync(group.Key, [.. known.Select(e => e.Row!)], cancellationToken);
            foreach (var entry in group)
            {
                var row = entry.Row is null ? null : rows!.GetValueOrDefault(models[entry.Entity].Describe(entry.Row));
                if (row?.Item is null || !row.Item.AsSpan().SequenceEqual(entry.Item))
                {
                    suspects.Add(new Suspect(entry.Entity, entry.Key, entry.Row, row is null ? DifferenceKind.Extra : DifferenceKind.Different));
                }
            }
        }

        waiting.Clear();
        await suspects.SettleAsync(cancellationToken);
    }

    public void EndPart(int segment)
    {
    }
}
