using System.Buffers.Binary;
using System.Text;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// Reads the basic types of the protocol from one payload; what would lie behind its end is a <see cref="MigrationException"/>.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
/// </summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> payload)
{
    private ReadOnlySpan<byte> rest = payload;

    public readonly int Length => rest.Length;

    public readonly bool IsEmpty => rest.IsEmpty;

    public byte Byte() => Bytes(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if ((uint)count > (uint)rest.Length)
        {
            throw WireErrors.Malformed("a packet ends too early");
        }

        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }

    public ReadOnlySpan<byte> Rest() => Bytes(rest.Length);

    /// <summary>Up to the next zero byte, which is taken too; a missing one is an error.</summary>
    public ReadOnlySpan<byte> NullTerminated()
    {
        var end = rest.IndexOf((byte)0);
        if (end < 0)
        {
            throw WireErrors.Malformed("a text has no end");
        }

        var taken = Bytes(end);
        Bytes(1);
        return taken;
    }

    public ulong LengthEncoded() => Byte() switch
    {
        < 0xfb and var small => small,
        0xfc => UInt16(),
        0xfd => UInt16() | ((ulong)Byte() << 16),
        0xfe => UInt64(),
        _ => throw WireErrors.Malformed("a length has no meaning"),
    };

    public ReadOnlySpan<byte> LengthEncodedBytes()
    {
        var length = LengthEncoded();
        return length <= int.MaxValue ? Bytes((int)length) : throw WireErrors.Malformed("a packet ends too early");
    }

    /// <summary>A column's value in a text result: null is the byte 0xfb.</summary>
    public string? Text()
    {
        if (!rest.IsEmpty && rest[0] == 0xfb)
        {
            Bytes(1);
            return null;
        }

        return Encoding.UTF8.GetString(LengthEncodedBytes());
    }
}
