using System.Globalization;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// Reads the body of a GTID_TAGGED_LOG_EVENT: fields by number in the encoding of MySQL's serialization library
/// (https://dev.mysql.com/doc/dev/mysql-server/latest/PageLibsMysqlSerialization.html).
/// </summary>
internal ref struct TaggedGtidReader(ReadOnlySpan<byte> body)
{
    private const int MostFields = 64;
    private EventReader reader = new(body);

    public (string Gtid, long? CommitMicroseconds) Read()
    {
        // Version, size of the message, number of the last field that may not be ignored.
        Unsigned();
        Unsigned();
        Unsigned();
        Span<byte> uuid = stackalloc byte[16];
        long gno = 0;
        var tag = "";
        long? commit = null;
        for (var fields = 0; reader.Left > 0 && fields < MostFields; fields++)
        {
            switch (Unsigned())
            {
                case 0:
                    Unsigned();
                    break;
                case 1:
                    foreach (ref var b in uuid)
                    {
                        b = (byte)Unsigned();
                    }

                    break;
                case 2:
                    gno = Signed();
                    break;
                case 3:
                    var length = Unsigned();
                    tag = length <= 32 ? Encoding.ASCII.GetString(reader.Bytes((int)length)) : throw EventErrors.Unreadable("a GTID's tag is longer than 32 bytes");
                    break;
                case 6:
                    commit = (long)Unsigned();
                    break;
                default:
                    // The fields behind the commit time are not needed, and those before it are numbers.
                    if (commit is not null)
                    {
                        return (Text(uuid, tag, gno), commit);
                    }

                    Unsigned();
                    break;
            }
        }

        return (Text(uuid, tag, gno), commit);
    }

    public static string Text(ReadOnlySpan<byte> uuid, string tag, long gno)
    {
        var id = new Guid(uuid, bigEndian: true);
        return tag.Length == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{id}:{gno}")
            : string.Create(CultureInfo.InvariantCulture, $"{id}:{tag}:{gno}");
    }

    /// <summary>The trailing ones of the first byte count the bytes that follow; the value stands above them.</summary>
    private ulong Unsigned()
    {
        var first = reader.Byte();
        var extra = System.Numerics.BitOperations.TrailingZeroCount(~(uint)first & 0x1FF);
        if (extra >= 8)
        {
            return reader.UInt64();
        }

        var value = (ulong)first >> (extra + 1);
        var bits = 7 - extra;
        for (var i = 0; i < extra; i++)
        {
            value |= (ulong)reader.Byte() << bits;
            bits += 8;
        }

        return value;
    }

    private long Signed()
    {
        var value = Unsigned();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }
}
