using System.Buffers.Binary;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// Passes over a file's events up to an offset beyond 4 GB, where the protocol cannot begin: a transaction is never cut, so a single large one makes such a
/// file. An event says where it ends in 32 bits only; they are counted on.
/// </summary>
internal sealed class OffsetSkip(long target)
{
    private const byte FormatDescription = 15;
    private const byte Heartbeat = 27;
    private const byte HeartbeatV2 = 41;
    private const ushort Artificial = 0x20;

    private long position;

    /// <summary>False for good from the first event on that begins at the offset.</summary>
    public bool IsOver => position >= target;

    /// <param name="read">An event with its common header.</param>
    public bool Skips(ReadOnlySpan<byte> read)
    {
        var type = read[4];
        var end = BinaryPrimitives.ReadUInt32LittleEndian(read[13..]);
        if (type is Heartbeat or HeartbeatV2 || end == 0 || (BinaryPrimitives.ReadUInt16LittleEndian(read[17..]) & Artificial) != 0)
        {
            return false;
        }

        var reached = (position & ~(long)uint.MaxValue) | end;
        position = reached < position ? reached + (1L << 32) : reached;
        return type != FormatDescription;
    }
}
