using System.Buffers.Binary;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>Reads the fields of an event in order; what is too short is an error, never a wrong value.</summary>
internal ref struct EventReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> bytes = bytes;

    /// <summary>Bytes read so far.</summary>
    public int Position { get; private set; }

    public readonly int Left => bytes.Length - Position;

    public readonly ReadOnlySpan<byte> Rest => bytes[Position..];

    public byte Byte() => Bytes(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public ulong UInt48() => Unsigned(6);

    public ulong UInt56() => Unsigned(7);

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    /// <summary>A packed integer (<c>net_field_length</c>).</summary>
    public ulong Packed() => Byte() switch
    {
        < 251 and var small => small,
        252 => UInt16(),
        253 => Unsigned(3),
        254 => UInt64(),
        _ => throw EventErrors.Unreadable("a packed integer begins with a byte that none begins with"),
    };

    /// <summary>A packed integer that counts bytes or things of this event.</summary>
    public int PackedLength() => Packed() is <= int.MaxValue and var length ? (int)length : throw EventErrors.Unreadable("a length is over 2 GB");

    public ReadOnlySpan<byte> Bytes(int length)
    {
        if (length < 0 || length > Left)
        {
            throw EventErrors.Unreadable("it is cut short");
        }

        var part = bytes.Slice(Position, length);
        Position += length;
        return part;
    }

    public string Text(int length) => Encoding.UTF8.GetString(Bytes(length));

    private ulong Unsigned(int length)
    {
        var part = Bytes(length);
        var value = 0UL;
        for (var i = length - 1; i >= 0; i--)
        {
            value = (value << 8) | part[i];
        }

        return value;
    }
}
