using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Digests of both sides, per entity, and what was counted on the way.</summary>
internal sealed class DigestPair
{
    private const int StrangerRows = 1;

    private readonly long[] refused;

    public DigestPair(ImmutableArray<EntityModel> models)
    {
        Source = [.. models.Select(m => new EntityDigest(m.Table.EstimatedRows))];
        Target = [.. models.Select(m => new EntityDigest(m.Table.EstimatedRows)), new EntityDigest(StrangerRows)];
        refused = new long[models.Length];
    }

    public DigestPair(EntityDigest[] source, EntityDigest[] target, long[] refused) => (Source, Target, this.refused) = (source, target, refused);

    public EntityDigest[] Source { get; }

    /// <summary>The last one is that of items of no entity.</summary>
    public EntityDigest[] Target { get; }

    public EntityDigest Strangers => Target[^1];

    /// <summary>Rows of the entity that cannot be items.</summary>
    public long Refused(int entity) => Interlocked.Read(ref refused[entity]);

    public void CountRefused(int entity, long rows) => Interlocked.Add(ref refused[entity], rows);

    public void Save(BinaryWriter writer)
    {
        writer.Write(refused.Length);
        foreach (var count in refused)
        {
            writer.Write(count);
        }

        foreach (var digest in Source.Concat(Target))
        {
            digest.Save(writer);
        }
    }

    public static DigestPair Load(BinaryReader reader)
    {
        var refused = new long[reader.ReadInt32()];
        for (var i = 0; i < refused.Length; i++)
        {
            refused[i] = reader.ReadInt64();
        }

        EntityDigest[] Read(int count) => [.. Enumerable.Range(0, count).Select(_ => EntityDigest.Load(reader))];
        var source = Read(refused.Length);
        return new DigestPair(source, Read(refused.Length + 1), refused);
    }

    public EntityDigest TargetOf(int entity) => entity < 0 ? Strangers : Target[entity];
}

/// <summary>Which parts of both sides are in the digests as a whole. A part comes into them at once, when it is read to its end.</summary>
internal sealed class DigestLedger(DigestPair digests)
{
    private readonly HashSet<(int Entity, int Range)> ranges = [];
    private readonly HashSet<int> segments = [];
    private long rows;
    private long items;

    /// <summary>Held while a part is put in, and while the whole is saved.</summary>
    public object Gate { get; } = new();

    public DigestPair Digests => digests;

    /// <summary>Rows read so far, those of parts that are not whole yet too.</summary>
    public long Rows => Interlocked.Read(ref rows);

    public long Items => Interlocked.Read(ref items);

    public IReadOnlySet<(int Entity, int Range)> Ranges => ranges;

    public IReadOnlySet<int> Segments => segments;

    public void CountRow() => Interlocked.Increment(ref rows);

    public void CountItem() => Interlocked.Increment(ref items);

    /// <summary>Writes what is in the digests; the gate is held.</summary>
    public void Save(BinaryWriter writer)
    {
        writer.Write(ranges.Count);
        foreach (var (entity, range) in ranges)
        {
            writer.Write(entity);
            writer.Write(range);
        }

        writer.Write(segments.Count);
        foreach (var segment in segments)
        {
            writer.Write(segment);
        }

        digests.Save(writer);
    }

    public static DigestLedger Load(BinaryReader reader)
    {
        var ranges = new HashSet<(int, int)>();
        for (var left = reader.ReadInt32(); left > 0; left--)
        {
            ranges.Add((reader.ReadInt32(), reader.ReadInt32()));
        }

        var segments = new HashSet<int>();
        for (var left = reader.ReadInt32(); left > 0; left--)
        {
            segments.Add(reader.ReadInt32());
        }

        var ledger = new DigestLedger(DigestPair.Load(reader));
        ledger.ranges.UnionWith(ranges);
        ledger.segments.UnionWith(segments);
        ledger.rows = ledger.Digests.Source.Sum(d => d.Count);
        ledger.items = ledger.Digests.Target.Sum(d => d.Count);
        return ledger;
    }

    public void AddRange(int entity, int range, List<DigestEntry> entries, long refused)
    {
        lock (Gate)
        {
            foreach (var entry in entries)
            {
                digests.Source[entry.Entity].Add(entry.Bucket, entry.Digest);
            }

            digests.CountRefused(entity, refused);
            ranges.Add((entity, range));
        }
    }

    public void AddSegment(int segment, List<DigestEntry> entries)
    {
        lock (Gate)
        {
            foreach (var entry in entries)
            {
                digests.TargetOf(entry.Entity).Add(entry.Bucket, entry.Digest);
            }

            segments.Add(segment);
        }
    }
}

/// <summary>One item on its way into the digests.</summary>
internal readonly record struct DigestEntry(int Entity, int Bucket, UInt128 Digest);

/// <summary>Puts the rows of a reader into the digest of their entity.</summary>
internal sealed class RowDigester(DigestLedger ledger) : IRowVisitor
{
    private readonly List<DigestEntry> entries = [];
    private long refused;

    public bool IsFull => false;

    [MethodImpl(HotPath.Optimized)]
    public void Visit(int entity, RowBuffer row, ItemBatch item, in RowRefusal refusal)
    {
        ledger.CountRow();
        if (item.Count == 0)
        {
            refused++;
            return;
        }

        entries.Add(new DigestEntry(entity, ledger.Digests.Source[entity].BucketOf(item.Key(0).Span), EntityDigest.Of(item.Item(0).Span)));
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public void EndPart(int entity, SnapshotRange range)
    {
        ledger.AddRange(entity, range.Number, entries, refused);
        entries.Clear();
        refused = 0;
    }
}

/// <summary>Puts the items of a reader into the digest of their entity.</summary>
internal sealed class ItemDigester(DigestLedger ledger) : IItemVisitor
{
    private readonly List<DigestEntry> entries = [];

    public bool IsFull => false;

    [MethodImpl(HotPath.Optimized)]
    public void Visit(int entity, ItemBatch item)
    {
        ledger.CountItem();
        entries.Add(new DigestEntry(entity, ledger.Digests.TargetOf(entity).BucketOf(item.Key(0).Span), EntityDigest.Of(item.Item(0).Span)));
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public void EndPart(int segment)
    {
        ledger.AddSegment(segment, entries);
        entries.Clear();
    }
}
