using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Chooses parts by chance, another choice every time.</summary>
internal sealed class Sample(double percent)
{
    /// <summary>At least one part, so that a sample of a small table is not empty.</summary>
    public ImmutableArray<T> Of<T>(ImmutableArray<T> parts)
    {
        var wanted = Math.Min(parts.Length, Math.Max(1, (int)Math.Ceiling(parts.Length * percent / 100)));
        var chosen = parts.ToArray();
        Random.Shared.Shuffle(chosen);
        return [.. chosen[..wanted]];
    }
}

/// <summary>Counts what is shown to the visitors of a sample.</summary>
internal sealed class SampleCount(int entities)
{
    private readonly long[] rows = new long[entities];
    private readonly long[] items = new long[entities];

    public long Rows => rows.Sum();

    public long Items => items.Sum();

    public long RowsOf(int entity) => Interlocked.Read(ref rows[entity]);

    public long ItemsOf(int entity) => Interlocked.Read(ref items[entity]);

    public IRowVisitor Counting(IRowVisitor visitor) => new CountingRows(this, visitor);

    public IItemVisitor Counting(IItemVisitor visitor) => new CountingItems(this, visitor);

    private sealed class CountingRows(SampleCount counts, IRowVisitor visitor) : IRowVisitor
    {
        public bool IsFull => visitor.IsFull;

        public void Visit(int entity, RowBuffer row, ItemBatch item, in RowRefusal refusal)
        {
            Interlocked.Increment(ref counts.rows[entity]);
            visitor.Visit(entity, row, item, refusal);
        }

        public ValueTask FlushAsync(CancellationToken cancellationToken) => visitor.FlushAsync(cancellationToken);

        public void EndPart(int entity, SnapshotRange range) => visitor.EndPart(entity, range);
    }

    private sealed class CountingItems(SampleCount counts, IItemVisitor visitor) : IItemVisitor
    {
        public bool IsFull => visitor.IsFull;

        public void Visit(int entity, ItemBatch item)
        {
            if (entity >= 0)
            {
                Interlocked.Increment(ref counts.items[entity]);
            }

            visitor.Visit(entity, item);
        }

        public ValueTask FlushAsync(CancellationToken cancellationToken) => visitor.FlushAsync(cancellationToken);

        public void EndPart(int segment) => visitor.EndPart(segment);
    }
}
