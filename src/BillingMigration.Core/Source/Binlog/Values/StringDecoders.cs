using System.IO.Compression;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>A value with its length before it.</summary>
internal abstract class LengthDecoder(int lengthBytes) : ValueDecoder
{
    public sealed override int Decode(ReadOnlySpan<byte> bytes, RowBuffer row, int column)
    {
        var length = Length(bytes);
        Write(Take(bytes, lengthBytes, length), row, column);
        return lengthBytes + length;
    }

    public sealed override int Skip(ReadOnlySpan<byte> bytes)
    {
        var length = Length(bytes);
        Take(bytes, lengthBytes, length);
        return lengthBytes + length;
    }

    /// <summary>The value's bytes, for those who look into it themselves.</summary>
    public ReadOnlySpan<byte> Value(ReadOnlySpan<byte> bytes) => Take(bytes, lengthBytes, Length(bytes));

    protected abstract void Write(ReadOnlySpan<byte> value, RowBuffer row, int column);

    private int Length(ReadOnlySpan<byte> bytes) => LittleEndian(Take(bytes, 0, lengthBytes)) is <= int.MaxValue and var length
        ? (int)length
        : throw EventErrors.Unreadable("a value is longer than 2 GB");
}

/// <summary>Bytes as they are: binary types, and text that is UTF-8 already.</summary>
internal sealed class BytesDecoder(int lengthBytes) : LengthDecoder(lengthBytes)
{
    protected override void Write(ReadOnlySpan<byte> value, RowBuffer row, int column) => row.Set(column, value);
}

/// <summary>BINARY(n): the zeros at its end are not in the binlog.</summary>
internal sealed class BinaryDecoder(int lengthBytes, int width) : LengthDecoder(lengthBytes)
{
    protected override void Write(ReadOnlySpan<byte> value, RowBuffer row, int column)
    {
        if (value.Length > width)
        {
            throw EventErrors.Unreadable("a BINARY value is longer than its column");
        }

        var room = row.Reserve(width).AsSpan(row.Used, width);
        value.CopyTo(room);
        room[value.Length..].Clear();
        row.Commit(column, width);
    }
}

/// <summary>Text of another character set than UTF-8.</summary>
/// <param name="isExact">What does not come back from UTF-8 as it was is told as <see cref="RawText"/>.</param>
internal sealed class TextDecoder(int lengthBytes, ICharset charset, bool isChar, bool isExact) : LengthDecoder(lengthBytes)
{
    protected override void Write(ReadOnlySpan<byte> value, RowBuffer row, int column)
    {
        if (isExact && !charset.IsExact(value))
        {
            row.Set(column, [RawText.Mark, .. isChar ? value.TrimEnd((byte)' ') : value]);
            return;
        }

        var room = row.Reserve(charset.MostUtf8Bytes(value.Length)).AsSpan(row.Used);
        var length = charset.ToUtf8(value, room);
        // CHAR is padded, and comes without its padding.
        while (isChar && length > 0 && room[length - 1] == (byte)' ')
        {
            length--;
        }

        row.Commit(column, length);
    }
}

/// <summary>A column with COMPRESSED of MariaDB, of any character set.</summary>
internal sealed class CompressedDecoder(int lengthBytes, LengthDecoder inner) : LengthDecoder(lengthBytes)
{
    private const int Zlib = 8;

    protected override void Write(ReadOnlySpan<byte> value, RowBuffer row, int column)
    {
        var plain = Expand(value);
        // The inner decoder wants a length before the value.
        Span<byte> framed = new byte[4 + plain.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(framed, plain.Length);
        plain.CopyTo(framed[4..]);
        inner.Decode(framed, row, column);
    }

    // One byte: method, flag of a stream without head, bytes of the length; then the length in big-endian order.
    private static ReadOnlySpan<byte> Expand(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty || value[0] == 0)
        {
            return value.IsEmpty ? value : value[1..];
        }

        var head = value[0];
        if (head >> 4 != Zlib)
        {
            throw EventErrors.Unreadable("a compressed column is of an unknown kind");
        }

        var length = (long)BigEndian(Take(value, 1, head & 7));
        using var stream = new MemoryStream(value[(1 + (head & 7))..].ToArray(), writable: false);
        using Stream expanding = (head & 8) != 0 ? new DeflateStream(stream, CompressionMode.Decompress) : new ZLibStream(stream, CompressionMode.Decompress);
        using var plain = new MemoryStream();
        try
        {
            expanding.CopyTo(plain);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw EventErrors.Unreadable("a compressed column is damaged", e);
        }

        return plain.Length == length ? plain.ToArray() : throw EventErrors.Unreadable("a compressed column has another length than it says");
    }
}

internal sealed class EnumDecoder(int length, byte[][] members) : ValueDecoder
{
    public override int Decode(ReadOnlySpan<byte> bytes, RowBuffer row, int column)
    {
        var number = (int)LittleEndian(Take(bytes, 0, length));
        // Zero is what an invalid value was stored as, and prints as nothing.
        row.Set(column, number == 0 ? [] : number <= members.Length ? members[number - 1] : throw EventErrors.Unreadable("an ENUM value has no name"));
        return length;
    }

    public override int Skip(ReadOnlySpan<byte> bytes) => Take(bytes, 0, length).Length;
}

internal sealed class SetDecoder(int length, byte[][] members) : ValueDecoder
{
    public override int Decode(ReadOnlySpan<byte> bytes, RowBuffer row, int column)
    {
        var bits = LittleEndian(Take(bytes, 0, length));
        if (members.Length < 64 && bits >> members.Length != 0)
        {
            throw EventErrors.Unreadable("a SET value has a member without a name");
        }

        var start = row.Used;
        var used = 0;
        for (var i = 0; i < members.Length; i++)
        {
            if ((bits & (1UL << i)) == 0)
            {
                continue;
            }

            var room = row.Reserve(used + members[i].Length + 1).AsSpan(start);
            if (used > 0)
            {
                room[used++] = (byte)',';
            }

            members[i].CopyTo(room[used..]);
            used += members[i].Length;
        }

        row.Commit(column, used);
        return length;
    }

    public override int Skip(ReadOnlySpan<byte> bytes) => Take(bytes, 0, length).Length;
}
