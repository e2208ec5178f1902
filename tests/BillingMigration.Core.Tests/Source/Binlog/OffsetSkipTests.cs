using System.Buffers.Binary;
using BillingMigration.Source.Binlog.Wire;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>A position beyond 4 GB of a file, from a stream that begins with the file.</summary>
public sealed class OffsetSkipTests
{
    private const byte Rows = 30;
    private const ushort Artificial = 0x20;

    [Fact]
    public void Events_up_to_the_offset_are_passed_over_across_the_end_of_32_bits()
    {
        const long Target = (1L << 33) + 500;
        var skip = new OffsetSkip(Target);
        Assert.False(skip.Skips(Event(Replica.Rotate, 0, Artificial)));
        Assert.False(skip.Skips(Event(Replica.FormatDescription, 126)));
        for (var end = 1L << 20; end < Target; end += 1L << 30)
        {
            Assert.False(skip.IsOver);
            Assert.False(skip.Skips(Event(Replica.Heartbeat, (uint)end)));
            Assert.True(skip.Skips(Event(Rows, (uint)end)));
        }

        Assert.True(skip.Skips(Event(Rows, unchecked((uint)Target))));
        Assert.True(skip.IsOver);
    }

    private static byte[] Event(byte type, uint end, ushort flags = 0)
    {
        var read = new byte[19];
        read[4] = type;
        BinaryPrimitives.WriteUInt32LittleEndian(read.AsSpan(13), end);
        BinaryPrimitives.WriteUInt16LittleEndian(read.AsSpan(17), flags);
        return read;
    }
}
