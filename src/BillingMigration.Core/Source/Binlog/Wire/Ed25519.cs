using System.Security.Cryptography;
using Org.BouncyCastle.Math.EC.Rfc7748;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// Ed25519 signatures (RFC 8032) for MariaDB's client_ed25519, which signs with the SHA-512 of a password of any length where the RFC, and so every library, hashes a seed of 32
/// bytes. The field is BouncyCastle's, whose time does not depend on its numbers; nor does what is built on it here: no branch and no index depends on the secret.
/// </summary>
internal static class Ed25519
{
    public const int SignatureLength = 64;
    private const int ScalarBits = 256;

    private static readonly int[] D2 = Field("59f1b226949bd6eb56b183829a14e00030d1f3eef2808e19e7fcdf56dcd90624");
    private static readonly Point Base = new(
        Field("1ad5258f602d56c9b2a7259560c72c695cdcd6fd31e2a4c0fe536ecdd3366921"),
        Field("5866666666666666666666666666666666666666666666666666666666666666"),
        One(),
        Field("a3ddb7a5b38ade6df5525177809ff0207de3ab648e4eea6665768bd70f5f8767"));

    /// <param name="secret">A password's bytes, or the 32-byte seed of the RFC.</param>
    public static byte[] Sign(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> message) => Sign(secret, message, out _);

    /// <param name="secret">A password's bytes, or the 32-byte seed of the RFC.</param>
    /// <param name="publicKey">32 bytes: what the server keeps of the password.</param>
    public static byte[] Sign(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> message, out byte[] publicKey)
    {
        var hash = SHA512.HashData(secret);
        hash[0] &= 248;
        hash[31] &= 127;
        hash[31] |= 64;
        var key = hash.AsSpan(0, 32);
        publicKey = Encode(Multiply(key));
        var r = Ed25519Scalar.Reduce(SHA512.HashData([.. hash.AsSpan(32), .. message]));
        var encodedR = Encode(Multiply(r));
        var challenge = Ed25519Scalar.Reduce(SHA512.HashData([.. encodedR, .. publicKey, .. message]));
        var s = Ed25519Scalar.MultiplyAdd(challenge, key, r);
        CryptographicOperations.ZeroMemory(hash);
        CryptographicOperations.ZeroMemory(r);
        return [.. encodedR, .. s];
    }

    /// <summary>https://www.rfc-editor.org/rfc/rfc8032#section-5.1.4: extended coordinates.</summary>
    private sealed record Point(int[] X, int[] Y, int[] Z, int[] T)
    {
        public static Point Zero() => new(X25519Field.Create(), One(), One(), X25519Field.Create());

        public Point Copy() => new([.. X], [.. Y], [.. Z], [.. T]);

        /// <summary>The formula holds for equal points and for zero too.</summary>
        public Point Add(Point other)
        {
            var a = Product(Difference(Y, X), Difference(other.Y, other.X));
            var b = Product(Sum(Y, X), Sum(other.Y, other.X));
            var c = Product(Product(T, D2), other.T);
            var zz = Product(Z, other.Z);
            var d = Sum(zz, zz);
            var (e, f, g, h) = (Difference(b, a), Difference(d, c), Sum(d, c), Sum(b, a));
            return new Point(Product(e, f), Product(g, h), Product(f, g), Product(e, h));
        }

        public void SwapWith(Point other, int ifOne)
        {
            X25519Field.CSwap(ifOne, X, other.X);
            X25519Field.CSwap(ifOne, Y, other.Y);
            X25519Field.CSwap(ifOne, Z, other.Z);
            X25519Field.CSwap(ifOne, T, other.T);
        }
    }

    /// <summary>A ladder: every bit takes the same steps.</summary>
    private static Point Multiply(ReadOnlySpan<byte> scalar)
    {
        var (low, high) = (Point.Zero(), Base.Copy());
        for (var bit = ScalarBits - 1; bit >= 0; bit--)
        {
            var one = (scalar[bit >> 3] >> (bit & 7)) & 1;
            low.SwapWith(high, one);
            (low, high) = (low.Add(low), low.Add(high));
            low.SwapWith(high, one);
        }

        return low;
    }

    private static byte[] Encode(Point point)
    {
        var inverse = X25519Field.Create();
        X25519Field.Inv(point.Z, inverse);
        var (x, encoded) = (Bytes(Product(point.X, inverse)), Bytes(Product(point.Y, inverse)));
        encoded[31] |= (byte)((x[0] & 1) << 7);
        return encoded;
    }

    private static byte[] Bytes(int[] number)
    {
        var bytes = new byte[32];
        X25519Field.Normalize(number);
        X25519Field.Encode(number, bytes, 0);
        return bytes;
    }

    private static int[] Product(int[] left, int[] right)
    {
        var result = X25519Field.Create();
        X25519Field.Mul(left, right, result);
        return result;
    }

    private static int[] Sum(int[] left, int[] right)
    {
        var result = X25519Field.Create();
        X25519Field.Add(left, right, result);
        X25519Field.Carry(result);
        return result;
    }

    private static int[] Difference(int[] left, int[] right)
    {
        var result = X25519Field.Create();
        X25519Field.Sub(left, right, result);
        X25519Field.Carry(result);
        return result;
    }

    private static int[] One()
    {
        var result = X25519Field.Create();
        X25519Field.One(result);
        return result;
    }

    private static int[] Field(string littleEndianHex)
    {
        var result = X25519Field.Create();
        X25519Field.Decode255(Convert.FromHexString(littleEndianHex), result);
        return result;
    }
}
