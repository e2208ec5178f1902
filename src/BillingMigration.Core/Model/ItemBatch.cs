using System.Buffers;

namespace BillingMigration.Model;

/// <summary>
/// Up to 25 items in canonical DynamoDB JSON, back to back in one pooled buffer: what one BatchWriteItem request carries. Written by
/// the item encoder, sent by the batch writer, then reused. An entry may also be a delete: then it is the key alone.
/// </summary>
public sealed class ItemBatch : IBufferWriter<byte>, IDisposable
{
    /// <summary>Limit of BatchWriteItem.</summary>
    public const int MaxItems = 25;

    private readonly Entry[] entries = new Entry[MaxItems];
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
    private int written;

    private struct Entry
    {
        public int Offset;
        public int Length;
        public int KeyLength;
        public bool IsDelete;
    }

    public int Count { get; private set; }

    public bool IsFull => Count == MaxItems;

    /// <summary>Bytes of canonical JSON of the committed items.</summary>
    public int ByteLength => Count == 0 ? 0 : entries[Count - 1].Offset + entries[Count - 1].Length;

    /// <summary>Canonical JSON object of an item: <c>{"pk":{"S":…},"sk":{"S":…},…}</c>.</summary>
    public ReadOnlyMemory<byte> Item(int index) => buffer.AsMemory(entries[index].Offset, entries[index].Length);

    /// <summary>The start of the item up to the end of the sort key, without the closing brace: <c>{"pk":{"S":…},"sk":{"S":…}</c>.</summary>
    public ReadOnlyMemory<byte> Key(int index) => buffer.AsMemory(entries[index].Offset, entries[index].KeyLength);

    /// <summary>True when the item is to be deleted: <see cref="Item"/> is its key.</summary>
    public bool IsDelete(int index) => entries[index].IsDelete;

    /// <summary>Number of entries that are deletes.</summary>
    public int Deletes { get; private set; }

    /// <summary>Commits what has been written since the last item as the next item.</summary>
    /// <param name="keyLength">Bytes from its start to the end of the sort key.</param>
    public void CommitItem(int keyLength)
    {
        var offset = ByteLength;
        entries[Count++] = new Entry { Offset = offset, Length = written - offset, KeyLength = keyLength };
    }

    /// <summary>Commits what has been written since the last item, a key as a whole object, as a delete.</summary>
    public void CommitDelete()
    {
        CommitItem(written - ByteLength - 1);
        entries[Count - 1].IsDelete = true;
        Deletes++;
    }

    /// <summary>Forgets what has been written since the last committed item.</summary>
    public void DiscardItem() => written = ByteLength;

    /// <summary>Empties the batch for reuse; keeps its buffer.</summary>
    public void Clear()
    {
        Count = 0;
        Deletes = 0;
        written = 0;
    }

    /// <summary>Bytes written so far, the uncommitted ones included.</summary>
    internal int Pending => written;

    /// <summary>What has been written since the last committed item.</summary>
    internal ReadOnlySpan<byte> PendingBytes => buffer.AsSpan(ByteLength, written - ByteLength);

    internal void Append(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(buffer.AsSpan(written));
        written += bytes.Length;
    }

    /// <summary>Appends once more what was written before, <paramref name="start"/> bytes behind the last committed item.</summary>
    internal void AppendAgain(int start, int length)
    {
        Reserve(length);
        buffer.AsSpan(ByteLength + start, length).CopyTo(buffer.AsSpan(written));
        written += length;
    }

    public void Advance(int count) => written += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return buffer.AsMemory(written);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return buffer.AsSpan(written);
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        Clear();
    }

    private void Reserve(int size)
    {
        size = Math.Max(size, 256);
        if (buffer.Length - written >= size)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(buffer.Length * 2, written + size));
        buffer.AsSpan(0, written).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}
