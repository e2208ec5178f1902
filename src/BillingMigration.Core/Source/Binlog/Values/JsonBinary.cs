using System.Buffers.Binary;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// Reads MySQL's binary JSON (https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html) and writes it as text. Offsets that point outside, forward
/// loops and depths that the server refuses are errors.
/// </summary>
internal static class JsonBinary
{
    /// <summary>The server's own limit.</summary>
    public const int MostDepth = 100;

    /// <summary>
    /// Bytes of text that a byte of a document becomes at most: a control character is six, a small date in an opaque value less. More comes
    /// only of values that share their bytes, which a document of a few kilobytes can turn into any number of gigabytes.
    /// </summary>
    private const int MostTextPerByte = 8;

    private const int MostTextOfScalar = 256;

    private const byte SmallObject = 0x00;
    private const byte LargeObject = 0x01;
    private const byte SmallArray = 0x02;
    private const byte LargeArray = 0x03;
    private const byte Literal = 0x04;
    private const byte Int16 = 0x05;
    private const byte UInt16 = 0x06;
    private const byte Int32 = 0x07;
    private const byte UInt32 = 0x08;
    private const byte Int64 = 0x09;
    private const byte UInt64 = 0x0A;
    private const byte Double = 0x0B;
    private const byte String = 0x0C;
    private const byte Opaque = 0x0F;

    /// <param name="value">Type byte and data; empty is what an invalid value was stored as, and reads as null.</param>
    public static void Write(ReadOnlySpan<byte> value, JsonText text)
    {
        if (value.IsEmpty)
        {
            text.Raw("null"u8);
            return;
        }

        Write(value[0], value[1..], text, 0, text.Written.Length + ((long)value.Length * MostTextPerByte) + MostTextOfScalar);
    }

    private static void Write(byte type, ReadOnlySpan<byte> data, JsonText text, int depth, long limit)
    {
        switch (type)
        {
            case SmallObject or LargeObject or SmallArray or LargeArray:
                WriteContainer(type, data, text, depth, limit);
                break;
            case Literal:
                text.Raw(Part(data, 0, 1)[0] switch
                {
                    0 => "null"u8,
                    1 => "true"u8,
                    2 => "false"u8,
                    _ => throw Malformed(),
                });
                break;
            case Int16:
                text.Number((long)BinaryPrimitives.ReadInt16LittleEndian(Part(data, 0, 2)));
                break;
            case UInt16:
                text.Number((long)BinaryPrimitives.ReadUInt16LittleEndian(Part(data, 0, 2)));
                break;
            case Int32:
                text.Number((long)BinaryPrimitives.ReadInt32LittleEndian(Part(data, 0, 4)));
                break;
            case UInt32:
                text.Number((long)BinaryPrimitives.ReadUInt32LittleEndian(Part(data, 0, 4)));
                break;
            case Int64:
                text.Number(BinaryPrimitives.ReadInt64LittleEndian(Part(data, 0, 8)));
                break;
            case UInt64:
                text.Number(BinaryPrimitives.ReadUInt64LittleEndian(Part(data, 0, 8)));
                break;
            case Double:
                text.Number(BinaryPrimitives.ReadDoubleLittleEndian(Part(data, 0, 8)));
                break;
            case String:
                text.String(WithLength(data));
                break;
            case Opaque:
                WriteOpaque((BinlogColumnType)Part(data, 0, 1)[0], WithLength(data[1..]), text);
                break;
            default:
                throw Malformed();
        }
    }

    private static void WriteContainer(byte type, ReadOnlySpan<byte> data, JsonText text, int depth, long limit)
    {
        if (depth >= MostDepth)
        {
            throw EventErrors.Unreadable("a JSON document is nested deeper than the server allows");
        }

        var isObject = type is SmallObject or LargeObject;
        var offsetBytes = type is LargeObject or LargeArray ? 4 : 2;
        var count = Offset(data, 0, offsetBytes);
        var size = Offset(data, offsetBytes, offsetBytes);
        data = Part(data, 0, size);
        var keys = 2 * offsetBytes;
        var values = keys + (isObject ? checked(count * (offsetBytes + 2)) : 0);
        Part(data, values, checked(count * (1 + offsetBytes)));
        text.Raw(isObject ? (byte)'{' : (byte)'[');
        for (var i = 0; i < count; i++)
        {
            if (i > 0)
            {
                text.Raw(", "u8);
            }

            if (isObject)
            {
                var entry = keys + (i * (offsetBytes + 2));
                var length = BinaryPrimitives.ReadUInt16LittleEndian(Part(data, entry + offsetBytes, 2));
                text.String(Part(data, Offset(data, entry, offsetBytes), length));
                text.Raw(": "u8);
            }

            var value = values + (i * (1 + offsetBytes));
            var valueType = data[value];
            var inlined = valueType is Literal or Int16 or UInt16 || (offsetBytes == 4 && valueType is Int32 or UInt32);
            var start = inlined ? value + 1 : Offset(data, value + 1, offsetBytes);
            // A value lies behind the entries: one that pointed back could contain itself.
            if (!inlined && start < values + (count * (1 + offsetBytes)))
            {
                throw Malformed();
            }

            Write(valueType, Part(data, start, data.Length - start), text, depth + 1, limit);
            if (text.Written.Length > limit)
            {
                throw EventErrors.Unreadable("a JSON document has values that share their bytes");
            }

        }

        text.Raw(isObject ? (byte)'}' : (byte)']');
    }

    private static void WriteOpaque(BinlogColumnType type, ReadOnlySpan<byte> value, JsonText text)
    {
        Span<byte> room = stackalloc byte[128];
        switch (type)
        {
            case BinlogColumnType.NewDecimal:
                var (precision, scale) = (Part(value, 0, 2)[0], value[1]);
                text.Raw(room[..new DecimalDecoder(precision, scale).ToText(value[2..], room)]);
                break;
            case BinlogColumnType.Date or BinlogColumnType.DateTime or BinlogColumnType.Timestamp or BinlogColumnType.Time:
                text.Quoted(room[..PackedTime(type, BinaryPrimitives.ReadInt64LittleEndian(Part(value, 0, 8)), room)]);
                break;
            case BinlogColumnType.VarString when text.PrintsOpaqueStrings:
                text.String(value);
                break;
            default:
                text.Quoted(Encoding.ASCII.GetBytes($"base64:type{(byte)type}:{Convert.ToBase64String(value)}"));
                break;
        }
    }

    /// <summary>Points in time inside JSON are always printed with six decimals.</summary>
    private static int PackedTime(BinlogColumnType type, long packed, Span<byte> text)
    {
        var (negative, size) = (packed < 0, (ulong)Math.Abs(packed));
        var microseconds = (int)(size & 0xFF_FFFF);
        var whole = size >> 24;
        if (microseconds > 999_999)
        {
            throw Malformed();
        }

        if (type == BinlogColumnType.Time)
        {
            var time = (int)(whole & 0x3F_FFFF);
            var length = TimeText.Duration(negative, time >> 12, (time >> 6) & 63, time & 63, text);
            return length + TimeText.Fraction(microseconds, 6, text[length..]);
        }

        var (date, hms) = ((int)((whole >> 17) & 0x3F_FFFF), (int)(whole & 0x1FFFF));
        var months = date >> 5;
        if (months / 13 > 9999)
        {
            throw Malformed();
        }

        var used = TimeText.Date(months / 13, months % 13, date & 31, text);
        if (type == BinlogColumnType.Date)
        {
            return used;
        }

        used += TimeText.TimeOfDay(hms >> 12, (hms >> 6) & 63, hms & 63, text[used..]);
        return used + TimeText.Fraction(microseconds, 6, text[used..]);
    }

    /// <summary>A length of seven bits a byte, and so many bytes.</summary>
    private static ReadOnlySpan<byte> WithLength(ReadOnlySpan<byte> data)
    {
        ulong length = 0;
        for (var i = 0; i < 5; i++)
        {
            var b = Part(data, i, 1)[0];
            length |= (ulong)(b & 0x7F) << (7 * i);
            if ((b & 0x80) == 0)
            {
                return length <= int.MaxValue ? Part(data, i + 1, (int)length) : throw Malformed();
            }
        }

        throw Malformed();
    }

    private static int Offset(ReadOnlySpan<byte> data, int at, int bytes) => bytes == 2
        ? BinaryPrimitives.ReadUInt16LittleEndian(Part(data, at, 2))
        : BinaryPrimitives.ReadUInt32LittleEndian(Part(data, at, 4)) is <= int.MaxValue and var offset ? (int)offset : throw Malformed();

    private static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> data, int start, int length) =>
        start >= 0 && length >= 0 && start <= data.Length - length ? data.Slice(start, length) : throw Malformed();

    private static MigrationException Malformed() => EventErrors.Unreadable("a JSON document is malformed");
}
