using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// Ed25519 signatures (RFC 8032) for MariaDB's client_ed25519, which signs with the SHA-512 of the password where the RFC hashes a 32-byte seed.
/// The base library has no Ed25519. It runs once a login, on this machine only, and every bit of a scalar takes the same steps.
/// </summary>
internal static class Ed25519
{
    public const int SignatureLength = 64;
    private const int ScalarBits = 256;

    private static readonly BigInteger P = BigInteger.Pow(2, 255) - 19;
    private static readonly BigInteger Order = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", CultureInfo.InvariantCulture);
    private static readonly BigInteger D2 = Mod(2 * -121665 * Inverse(121666));
    private static readonly Point Base = BasePoint();

    /// <param name="secret">A password's bytes, or the 32-byte seed of the RFC.</param>
    public static byte[] Sign(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> message)
    {
        var hash = SHA512.HashData(secret);
        hash[0] &= 248;
        hash[31] &= 127;
        hash[31] |= 64;
        var key = Number(hash.AsSpan(0, 32));
        var publicKey = Encode(Multiply(key));
        var r = Mod(Number(SHA512.HashData([.. hash.AsSpan(32), .. message])), Order);
        var encodedR = Encode(Multiply(r));
        var challenge = Mod(Number(SHA512.HashData([.. encodedR, .. publicKey, .. message])), Order);
        CryptographicOperations.ZeroMemory(hash);
        return [.. encodedR, .. Bytes(Mod(r + challenge * key, Order))];
    }

    /// <summary>https://www.rfc-editor.org/rfc/rfc8032#section-5.1.4: extended coordinates.</summary>
    private readonly record struct Point(BigInteger X, BigInteger Y, BigInteger Z, BigInteger T)
    {
        public static Point Zero { get; } = new(0, 1, 1, 0);

        public Point Add(Point other)
        {
            var a = Mod((Y - X) * (other.Y - other.X));
            var b = Mod((Y + X) * (other.Y + other.X));
            var c = Mod(T * D2 * other.T);
            var d = Mod(2 * Z * other.Z);
            var (e, f, g, h) = (b - a, d - c, d + c, b + a);
            return new Point(Mod(e * f), Mod(g * h), Mod(f * g), Mod(e * h));
        }
    }

    private static Point Multiply(BigInteger scalar)
    {
        // The formulas hold for equal points and for zero too, so a ladder needs no other case.
        var (low, high) = (Point.Zero, Base);
        for (var bit = ScalarBits - 1; bit >= 0; bit--)
        {
            var sum = low.Add(high);
            (low, high) = (scalar >> bit).IsEven ? (low.Add(low), sum) : (sum, high.Add(high));
        }

        return low;
    }

    private static Point BasePoint()
    {
        // https://www.rfc-editor.org/rfc/rfc8032#section-5.1: y = 4/5, x even.
        var y = Mod(4 * Inverse(5));
        var square = Mod((y * y - 1) * Inverse(Mod(D2 * Inverse(2)) * y * y + 1));
        var x = BigInteger.ModPow(square, (P + 3) / 8, P);
        if (Mod(x * x) != square)
        {
            x = Mod(x * BigInteger.ModPow(2, (P - 1) / 4, P));
        }

        x = x.IsEven ? x : P - x;
        return new Point(x, y, 1, Mod(x * y));
    }

    private static byte[] Encode(Point point)
    {
        var inverse = Inverse(point.Z);
        var encoded = Bytes(Mod(point.Y * inverse));
        encoded[31] |= (byte)(Mod(point.X * inverse).IsEven ? 0 : 0x80);
        return encoded;
    }

    private static byte[] Bytes(BigInteger number)
    {
        var bytes = new byte[32];
        number.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true);

    private static BigInteger Inverse(BigInteger number) => BigInteger.ModPow(Mod(number), P - 2, P);

    private static BigInteger Mod(BigInteger number) => Mod(number, P);

    private static BigInteger Mod(BigInteger number, BigInteger modulus)
    {
        var rest = BigInteger.Remainder(number, modulus);
        return rest.Sign < 0 ? rest + modulus : rest;
    }
}
