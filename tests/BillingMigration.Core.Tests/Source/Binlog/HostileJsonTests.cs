using System.Buffers.Binary;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Binary JSON that no server writes.</summary>
public sealed class HostileJsonTests
{
    private const byte SmallArray = 0x02;

    [Fact]
    public void Values_that_share_their_bytes_do_not_fill_the_memory()
    {
        // Sixty arrays, each with forty elements that are all the next array.
        byte[] document = [5, 0, 0];
        for (var level = 0; level < 60; level++)
        {
            document = Array(40, document);
        }

        Assert.Equal("BinlogUnreadable", Assert.Throws<MigrationException>(() => JsonBinary.Write(document, new JsonText())).ErrorId);
    }

    [Fact]
    public void A_document_deeper_than_the_server_allows_is_refused()
    {
        byte[] document = [5, 0, 0];
        for (var level = 0; level < 200; level++)
        {
            document = Array(1, document);
        }

        Assert.Equal("BinlogUnreadable", Assert.Throws<MigrationException>(() => JsonBinary.Write(document, new JsonText())).ErrorId);
    }

    /// <summary>An array of elements that all point at the same value.</summary>
    private static byte[] Array(int count, byte[] value)
    {
        var entries = 4 + (3 * count);
        var document = new byte[1 + entries + value.Length - 1];
        document[0] = SmallArray;
        BinaryPrimitives.WriteUInt16LittleEndian(document.AsSpan(1), (ushort)count);
        BinaryPrimitives.WriteUInt16LittleEndian(document.AsSpan(3), (ushort)(document.Length - 1));
        for (var i = 0; i < count; i++)
        {
            document[5 + (3 * i)] = value[0];
            BinaryPrimitives.WriteUInt16LittleEndian(document.AsSpan(6 + (3 * i)), (ushort)entries);
        }

        value.AsSpan(1).CopyTo(document.AsSpan(1 + entries));
        return document;
    }
}
