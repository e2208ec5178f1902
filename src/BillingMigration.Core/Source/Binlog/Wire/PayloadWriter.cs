using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>Builds one payload to be sent.</summary>
internal sealed class PayloadWriter
{
    private readonly ArrayBufferWriter<byte> buffer = new();

    public ReadOnlyMemory<byte> Written => buffer.WrittenMemory;

    public PayloadWriter Byte(byte value)
    {
        buffer.GetSpan(1)[0] = value;
        buffer.Advance(1);
        return this;
    }

    public PayloadWriter UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(buffer.GetSpan(2), value);
        buffer.Advance(2);
        return this;
    }

    public PayloadWriter UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(buffer.GetSpan(4), value);
        buffer.Advance(4);
        return this;
    }

    public PayloadWriter UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.GetSpan(8), value);
        buffer.Advance(8);
        return this;
    }

    public PayloadWriter Bytes(ReadOnlySpan<byte> value)
    {
        buffer.Write(value);
        return this;
    }

    public PayloadWriter Text(string value) => Bytes(Encoding.UTF8.GetBytes(value));

    public PayloadWriter NullTerminated(string value) => Text(value).Byte(0);

    public PayloadWriter LengthEncodedBytes(ReadOnlySpan<byte> value) => LengthEncoded((ulong)value.Length).Bytes(value);

    public PayloadWriter LengthEncodedText(string value) => LengthEncodedBytes(Encoding.UTF8.GetBytes(value));

    public PayloadWriter LengthEncoded(ulong value) => value switch
    {
        < 0xfb => Byte((byte)value),
        <= 0xffff => Byte(0xfc).UInt16((ushort)value),
        <= 0xffffff => Byte(0xfd).UInt16((ushort)value).Byte((byte)(value >> 16)),
        _ => Byte(0xfe).UInt64(value),
    };
}
