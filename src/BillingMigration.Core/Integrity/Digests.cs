using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.CompilerServices;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>What is kept of the items of a bucket, whatever order they come in: their number, the sum and the XOR of their 128-bit digests.</summary>
internal record struct DigestBucket(long Count, UInt128 Sum, UInt128 Xor)
{
    public readonly bool IsEmpty => Count == 0 && Sum == UInt128.Zero && Xor == UInt128.Zero;

    public void Add(UInt128 digest)
    {
        Count++;
        Sum = unchecked(Sum + digest);
        Xor ^= digest;
    }

    public void Remove(UInt128 digest)
    {
        Count--;
        Sum = unchecked(Sum - digest);
        Xor ^= digest;
    }
}

/// <summary>
/// Digest of all items of an entity, in a bounded number of buckets: by the digest of the item's key, which both sides have. Filled by many readers at a time.
/// </summary>
internal sealed class EntityDigest
{
    private const int Least = 64;
    private const int Most = 32 * 1024;
    private const int RowsPerBucket = 8;
    private const int Stripes = 64;
    private const int DigestBytes = 16;

    private readonly object[] locks = [.. Enumerable.Range(0, Stripes).Select(_ => new object())];
    private readonly DigestBucket[] buckets;

    /// <param name="expectedRows">Estimate of the rows: small tables have few buckets.</param>
    public EntityDigest(long expectedRows) =>
        buckets = new DigestBucket[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(expectedRows / RowsPerBucket, Least, Most))];

    private EntityDigest(DigestBucket[] buckets) => this.buckets = buckets;

    public int Length => buckets.Length;

    public ReadOnlySpan<DigestBucket> Buckets => buckets;

    public long Count
    {
        get
        {
            long count = 0;
            foreach (ref readonly var bucket in Buckets)
            {
                count += bucket.Count;
            }

            return count;
        }
    }

    public static UInt128 Of(ReadOnlySpan<byte> canonicalItem) => XxHash128.HashToUInt128(canonicalItem);

    [MethodImpl(HotPath.Optimized)]
    public int BucketOf(ReadOnlySpan<byte> canonicalKey) => (int)(XxHash3.HashToUInt64(canonicalKey) >> 32) & (buckets.Length - 1);

    /// <summary>Adds an item's digest.</summary>
    [MethodImpl(HotPath.Optimized)]
    public void Add(int bucket, UInt128 digest)
    {
        lock (locks[bucket % Stripes])
        {
            buckets[bucket].Add(digest);
        }
    }

    public void Remove(ReadOnlySpan<byte> item, ReadOnlySpan<byte> key)
    {
        var digest = Of(item);
        var bucket = BucketOf(key);
        lock (locks[bucket % Stripes])
        {
            buckets[bucket].Remove(digest);
        }
    }

    public void Save(BinaryWriter writer)
    {
        writer.Write(buckets.Length);
        Span<byte> bytes = stackalloc byte[2 * DigestBytes];
        foreach (ref readonly var bucket in Buckets)
        {
            writer.Write7BitEncodedInt64(bucket.Count);
            if (bucket.Count != 0)
            {
                BinaryPrimitives.WriteUInt128LittleEndian(bytes, bucket.Sum);
                BinaryPrimitives.WriteUInt128LittleEndian(bytes[DigestBytes..], bucket.Xor);
                writer.Write(bytes);
            }
        }
    }

    public static EntityDigest Load(BinaryReader reader)
    {
        var buckets = new DigestBucket[reader.ReadInt32()];
        for (var i = 0; i < buckets.Length; i++)
        {
            var count = reader.Read7BitEncodedInt64();
            if (count != 0)
            {
                var bytes = reader.ReadBytes(2 * DigestBytes);
                buckets[i] = new DigestBucket(count, BinaryPrimitives.ReadUInt128LittleEndian(bytes), BinaryPrimitives.ReadUInt128LittleEndian(bytes.AsSpan(DigestBytes)));
            }
        }

        return new EntityDigest(buckets);
    }

    /// <summary>Buckets that are not the same on the other side; null when all are.</summary>
    public BucketSet? Differing(EntityDigest other)
    {
        BucketSet? found = null;
        for (var i = 0; i < buckets.Length; i++)
        {
            if (buckets[i] != other.buckets[i])
            {
                (found ??= new BucketSet(buckets.Length)).Add(i);
            }
        }

        return found;
    }

    /// <summary>Buckets in which something is left; null when all are empty.</summary>
    public BucketSet? Remaining(BucketSet among)
    {
        BucketSet? found = null;
        for (var i = 0; i < buckets.Length; i++)
        {
            if (among.Contains(i) && !buckets[i].IsEmpty)
            {
                (found ??= new BucketSet(buckets.Length)).Add(i);
            }
        }

        return found;
    }
}

/// <summary>Some of the buckets of an entity.</summary>
internal sealed class BucketSet(int length)
{
    private readonly ulong[] bits = new ulong[(length + 63) / 64];

    public int Count => bits.Sum(System.Numerics.BitOperations.PopCount);

    public static BucketSet All(int length)
    {
        var all = new BucketSet(length);
        Array.Fill(all.bits, ulong.MaxValue);
        return all;
    }

    public void Add(int bucket) => bits[bucket >> 6] |= 1UL << (bucket & 63);

    public bool Contains(int bucket) => (bits[bucket >> 6] & (1UL << (bucket & 63))) != 0;
}
