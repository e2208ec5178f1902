using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Modes;
using Org.BouncyCastle.Crypto.Parameters;

namespace BillingMigration.Model;

/// <summary>
/// Encrypts the values of chosen attributes with a migration's data key: AES-256-GCM-SIV (RFC 8452). The same value in the same attribute of the same item always gives the same
/// bytes, so that items are compared and found equal without being opened; in any other place it gives others, so that they do not tell which rows share a value, and cannot be
/// moved to another item. What stays to be seen is the value's length, and that it is not NULL. Thread-safe.
/// </summary>
public sealed class AttributeCipher
{
    /// <summary>Bytes of the data key.</summary>
    public const int KeyBytes = 32;

    /// <summary>Bytes that an encrypted value has more than the value: a format byte, and the tag.</summary>
    public const int Overhead = 1 + TagBytes;

    private const byte Format = 1;
    private const int TagBytes = 16;
    private const int NonceBytes = 12;

    private readonly byte[] nonceKey;
    private readonly KeyParameter valueKey;

    /// <param name="dataKey">32 random bytes; not kept, two keys are derived from it.</param>
    public AttributeCipher(ReadOnlySpan<byte> dataKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(dataKey.Length, KeyBytes);
        nonceKey = Derive(dataKey, "nonce");
        valueKey = new KeyParameter(Derive(dataKey, "value"));
    }

    /// <summary>A cipher whose key is known to nobody: what it makes has the right size, and is of no other use.</summary>
    public static AttributeCipher Throwaway() => new(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>The place of a value, which its bytes depend on: each part with its length before it.</summary>
    internal static byte[] PlaceOf(string entity, string attribute) => [.. Part(Encoding.UTF8.GetBytes(entity)), .. Part(Encoding.UTF8.GetBytes(attribute))];

    internal static byte[] KeyOf(ReadOnlySpan<byte> partitionKey, ReadOnlySpan<byte> sortKey) => [.. Part(partitionKey), .. Part(sortKey)];

    /// <param name="place">From <see cref="PlaceOf"/>.</param>
    /// <param name="key">From <see cref="KeyOf"/>.</param>
    internal byte[] Encrypt(byte[] place, byte[] key, ReadOnlySpan<byte> value)
    {
        byte[] context = [.. place, .. key];
        var result = new byte[value.Length + Overhead];
        result[0] = Format;
        var cipher = Start(true, context);
        var written = cipher.ProcessBytes(value, result.AsSpan(1));
        cipher.DoFinal(result.AsSpan(1 + written));
        return result;
    }

    /// <returns>Null: it was not made by <see cref="Encrypt"/> with this key for this place.</returns>
    internal byte[]? TryDecrypt(byte[] place, byte[] key, ReadOnlySpan<byte> encrypted)
    {
        if (encrypted.Length < Overhead || encrypted[0] != Format)
        {
            return null;
        }

        byte[] context = [.. place, .. key];
        var value = new byte[encrypted.Length - Overhead];
        try
        {
            var cipher = Start(false, context);
            var written = cipher.ProcessBytes(encrypted[1..], value);
            cipher.DoFinal(value.AsSpan(written));
            return value;
        }
        catch (InvalidCipherTextException)
        {
            return null;
        }
    }

    // Of each place a nonce of its own: what is encrypted with the same one are the values that stood in one place one after the other.
    private GcmSivBlockCipher Start(bool encrypt, byte[] context)
    {
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(nonceKey, context, mac);
        var cipher = new GcmSivBlockCipher();
        cipher.Init(encrypt, new AeadParameters(valueKey, TagBytes * 8, mac[..NonceBytes].ToArray(), context));
        return cipher;
    }

    private static byte[] Derive(ReadOnlySpan<byte> dataKey, string use)
    {
        var key = new byte[KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, dataKey, key, default, Encoding.ASCII.GetBytes($"BillingMigration attribute {use} 1"));
        return key;
    }

    private static byte[] Part(ReadOnlySpan<byte> bytes)
    {
        var part = new byte[sizeof(int) + bytes.Length];
        BinaryPrimitives.WriteInt32BigEndian(part, bytes.Length);
        bytes.CopyTo(part.AsSpan(sizeof(int)));
        return part;
    }
}
