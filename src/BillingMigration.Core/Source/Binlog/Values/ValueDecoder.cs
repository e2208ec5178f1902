using System.Buffers.Binary;
using System.Buffers.Text;
using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// Reads the values of one column from row images, and writes them as the text that <see cref="RowReader"/> gives for the same value. Total: what is
/// too short or impossible is an error. Storage formats: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html and
/// the <c>log_event_print_value</c> of both servers.
/// </summary>
internal abstract class ValueDecoder
{
    /// <summary>Most bytes of a number or a point in time as text.</summary>
    protected const int Room = 128;

    /// <returns>Bytes of the value.</returns>
    public abstract int Decode(ReadOnlySpan<byte> bytes, RowBuffer row, int column);

    /// <returns>Bytes of a value that is not wanted.</returns>
    public abstract int Skip(ReadOnlySpan<byte> bytes);

    /// <summary>A part of the image that must be there.</summary>
    protected static ReadOnlySpan<byte> Take(ReadOnlySpan<byte> bytes, int offset, int length) =>
        length >= 0 && offset <= bytes.Length - length ? bytes.Slice(offset, length) : throw EventErrors.Unreadable("a row is cut short");

    /// <summary>An unsigned number of 1 to 8 bytes.</summary>
    protected static ulong LittleEndian(ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        for (var i = bytes.Length - 1; i >= 0; i--)
        {
            value = (value << 8) | bytes[i];
        }

        return value;
    }

    protected static ulong BigEndian(ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        foreach (var b in bytes)
        {
            value = (value << 8) | b;
        }

        return value;
    }
}

/// <summary>A value of a fixed number of bytes.</summary>
internal abstract class FixedDecoder(int length) : ValueDecoder
{
    public sealed override int Decode(ReadOnlySpan<byte> bytes, RowBuffer row, int column)
    {
        var text = row.Reserve(Room).AsSpan(row.Used);
        row.Commit(column, Write(Take(bytes, 0, length), text));
        return length;
    }

    public sealed override int Skip(ReadOnlySpan<byte> bytes)
    {
        Take(bytes, 0, length);
        return length;
    }

    /// <returns>Bytes written.</returns>
    protected abstract int Write(ReadOnlySpan<byte> value, Span<byte> text);
}

internal sealed class SignedDecoder(int length) : FixedDecoder(length)
{
    private readonly int shift = 64 - (8 * length);

    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        Utf8Formatter.TryFormat((long)(LittleEndian(value) << shift) >> shift, text, out var written);
        return written;
    }
}

internal sealed class UnsignedDecoder(int length) : FixedDecoder(length)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        Utf8Formatter.TryFormat(LittleEndian(value), text, out var written);
        return written;
    }
}

internal sealed class BitDecoder(int bits) : FixedDecoder((bits + 7) / 8)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        Utf8Formatter.TryFormat(BigEndian(value), text, out var written);
        return written;
    }
}

/// <param name="twoDigits">YEAR(2) of MariaDB, which is stored as YEAR and printed without its century.</param>
internal sealed class YearDecoder(bool twoDigits) : FixedDecoder(1)
{
    private const int Century = 100;

    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text)
    {
        var year = value[0] == 0 ? 0 : 1900 + value[0];
        Utf8Formatter.TryFormat(twoDigits ? year % Century : year, text, out var written, new System.Buffers.StandardFormat('D', twoDigits ? (byte)2 : (byte)4));
        return written;
    }
}

internal sealed class FloatDecoder() : FixedDecoder(4)
{
    // As the double that the server computes from it.
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text) => FloatText.Write(BinaryPrimitives.ReadSingleLittleEndian(value), text);
}

internal sealed class DoubleDecoder() : FixedDecoder(8)
{
    protected override int Write(ReadOnlySpan<byte> value, Span<byte> text) => FloatText.Write(BinaryPrimitives.ReadDoubleLittleEndian(value), text);
}
