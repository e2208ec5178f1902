using System.IO.Hashing;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>
/// Changes that are written together, one for each item: the last change of a key takes the place of those before it. So no key is twice under way, and
/// the changes of a window may be written in any order. Reused; not thread-safe.
/// </summary>
internal sealed class ChangeWindow : IDisposable
{
    private const int MostChanges = 20_000;
    private const int MostBytes = 24 * 1024 * 1024;
    private const int MostParents = 2_000;

    private readonly ItemBatch scratch = new();
    private byte[] bytes = new byte[64 * 1024];
    private Change[] changes = new Change[256];
    private int[] buckets = new int[512];
    private int used;

    private record struct Change(ulong Hash, int Offset, int Length, int KeyLength, bool IsDelete);

    public int Count { get; private set; }

    /// <summary>Row changes that went into it; those of one item may be many.</summary>
    public long Rows { get; set; }

    public long Transactions { get; set; }

    /// <summary>Commit time of its last transaction, seconds since 1970; 0: none.</summary>
    public long CommittedAt { get; set; }

    /// <summary>True when the stream stood between transactions in it.</summary>
    public bool HasEnd { get; set; }

    /// <summary>True when it ends with a part of a transaction.</summary>
    public bool EndsWithin { get; set; }

    /// <summary>Where the stream goes on when the window is written; set when it is closed, null when no transaction has ended in it.</summary>
    public StreamPoint? End { get; set; }

    /// <summary>Everything in it is before this; set when it is closed.</summary>
    public SourcePosition? ReadUpTo { get; set; }

    public List<Control.SetAsideRow> SetAside { get; } = [];

    /// <summary>Changes of parents that reach rows which are not in the stream: their children are read again when the window is written.</summary>
    public ParentChanges Parents { get; } = new();

    /// <summary>Rows whose items cannot be made of what the stream says.</summary>
    public List<RowSuspect> Suspects { get; } = [];

    /// <summary>What it does not tell at all: it is compared when the window is written.</summary>
    public List<UntoldChange> Untold { get; } = [];

    public bool HasSuspects => Parents.Count > 0 || Suspects.Count > 0;

    public bool IsFull => Count >= MostChanges || used >= MostBytes || Parents.Count + Suspects.Count >= MostParents;

    public bool IsEmpty => Count == 0 && !HasEnd && SetAside.Count == 0 && !HasSuspects;

    /// <summary>Takes the row's item as its key's last state.</summary>
    public bool TryPut(ItemEncoder encoder, RowBuffer row, out RowRefusal refusal) => encoder.TryEncode(row, scratch, out refusal) && Take();

    /// <summary>Takes the absence of the row's item as its key's last state.</summary>
    public bool TryDelete(ItemEncoder encoder, RowBuffer row, out RowRefusal refusal) => encoder.TryEncodeDelete(row, scratch, out refusal) && Take();

    /// <summary>Takes an item in its canonical form as its key's last state.</summary>
    /// <param name="keyLength">Bytes of it that are its key.</param>
    public void Put(ReadOnlySpan<byte> item, int keyLength) => Take(item, keyLength, false);

    /// <summary>Takes the absence of an item as its key's last state.</summary>
    /// <param name="key">The JSON object of its key.</param>
    public void Delete(ReadOnlySpan<byte> key) => Take(key, key.Length - 1, true);

    /// <summary>Appends the changes from <paramref name="index"/> on until the batch is full.</summary>
    public void CopyTo(ItemBatch batch, int index)
    {
        for (var i = index; i < Count && !batch.IsFull; i++)
        {
            ref var change = ref changes[i];
            batch.Append(bytes.AsSpan(change.Offset, change.Length));
            if (change.IsDelete)
            {
                batch.CommitDelete();
            }
            else
            {
                batch.CommitItem(change.KeyLength);
            }
        }
    }

    public void Clear()
    {
        (Count, used, Rows, Transactions, CommittedAt, End, HasEnd, EndsWithin, ReadUpTo) = (0, 0, 0, 0, 0, null, false, false, null);
        Array.Clear(buckets);
        SetAside.Clear();
        Untold.Clear();
        Parents.Clear();
        Suspects.Clear();
    }

    public void Dispose() => scratch.Dispose();

    private bool Take()
    {
        Take(scratch.Item(0).Span, scratch.Key(0).Length, scratch.IsDelete(0));
        scratch.Clear();
        return true;
    }

    private void Take(ReadOnlySpan<byte> item, int keyLength, bool isDelete)
    {
        var key = item[..keyLength];
        var hash = XxHash3.HashToUInt64(key);
        var bucket = Find(key, hash);
        if (buckets[bucket] == 0)
        {
            if (Count == changes.Length)
            {
                Grow();
                bucket = Find(key, hash);
            }

            buckets[bucket] = ++Count;
        }

        if (bytes.Length - used < item.Length)
        {
            Array.Resize(ref bytes, Math.Max(bytes.Length * 2, used + item.Length));
        }

        item.CopyTo(bytes.AsSpan(used));
        changes[buckets[bucket] - 1] = new Change(hash, used, item.Length, keyLength, isDelete);
        used += item.Length;
    }

    /// <returns>The bucket that holds the key, or the empty one that it belongs into.</returns>
    private int Find(ReadOnlySpan<byte> key, ulong hash)
    {
        var mask = buckets.Length - 1;
        var bucket = (int)hash & mask;
        while (buckets[bucket] != 0)
        {
            ref var change = ref changes[buckets[bucket] - 1];
            if (change.Hash == hash && bytes.AsSpan(change.Offset, change.KeyLength).SequenceEqual(key))
            {
                return bucket;
            }

            bucket = (bucket + 1) & mask;
        }

        return bucket;
    }

    private void Grow()
    {
        Array.Resize(ref changes, changes.Length * 2);
        buckets = new int[changes.Length * 2];
        var mask = buckets.Length - 1;
        for (var i = 0; i < Count; i++)
        {
            var bucket = (int)changes[i].Hash & mask;
            while (buckets[bucket] != 0)
            {
                bucket = (bucket + 1) & mask;
            }

            buckets[bucket] = i + 1;
        }
    }
}
