using System.Buffers.Binary;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>Numbers modulo the order of Ed25519's base point, 2^252 + 27742317777372353535851937790883648493, little-endian. Every number takes the same steps.</summary>
internal static class Ed25519Scalar
{
    private const int Words = 4;
    private const int WordBits = 64;

    private static readonly ulong[] Order = [0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000];

    /// <param name="number">64 bytes.</param>
    /// <returns>Its rest, 32 bytes.</returns>
    public static byte[] Reduce(ReadOnlySpan<byte> number) => Bytes(Rest(Read(number)));

    /// <returns>left * right + addend, 32 bytes like each of them.</returns>
    public static byte[] MultiplyAdd(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, ReadOnlySpan<byte> addend)
    {
        var (a, b, sum) = (Read(left), Read(right), new ulong[2 * Words]);
        Read(addend).CopyTo(sum, 0);
        for (var i = 0; i < Words; i++)
        {
            ulong carry = 0;
            for (var j = 0; j < Words; j++)
            {
                // At most (2^64 - 1)^2 + 2 (2^64 - 1), which is 2^128 - 1.
                var part = ((UInt128)a[i] * b[j]) + sum[i + j] + carry;
                (sum[i + j], carry) = ((ulong)part, (ulong)(part >> WordBits));
            }

            for (var k = i + Words; k < sum.Length; k++)
            {
                var part = (UInt128)sum[k] + carry;
                (sum[k], carry) = ((ulong)part, (ulong)(part >> WordBits));
            }
        }

        return Bytes(Rest(sum));
    }

    /// <summary>Long division by bits: doubles the rest, adds the next bit, and takes the order away where it fits.</summary>
    private static ulong[] Rest(ulong[] number)
    {
        var rest = new ulong[Words];
        var less = new ulong[Words];
        for (var bit = (number.Length * WordBits) - 1; bit >= 0; bit--)
        {
            var carry = (number[bit / WordBits] >> (bit % WordBits)) & 1;
            for (var i = 0; i < Words; i++)
            {
                (rest[i], carry) = ((rest[i] << 1) | carry, rest[i] >> (WordBits - 1));
            }

            ulong borrow = 0;
            for (var i = 0; i < Words; i++)
            {
                var difference = (UInt128)rest[i] - Order[i] - borrow;
                (less[i], borrow) = ((ulong)difference, (ulong)(difference >> WordBits) & 1);
            }

            // All ones where the order did not fit.
            var keep = 0 - borrow;
            for (var i = 0; i < Words; i++)
            {
                rest[i] = (rest[i] & keep) | (less[i] & ~keep);
            }
        }

        return rest;
    }

    private static ulong[] Read(ReadOnlySpan<byte> bytes)
    {
        var words = new ulong[bytes.Length / sizeof(ulong)];
        for (var i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i * sizeof(ulong))..]);
        }

        return words;
    }

    private static byte[] Bytes(ulong[] words)
    {
        var bytes = new byte[Words * sizeof(ulong)];
        for (var i = 0; i < Words; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), words[i]);
        }

        return bytes;
    }
}
