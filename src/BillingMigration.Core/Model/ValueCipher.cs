using System.Security.Cryptography;
using System.Text;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Modes;
using Org.BouncyCastle.Crypto.Parameters;

namespace BillingMigration.Model;

/// <summary>Encrypts and decrypts values under one data key: AES-256-GCM-SIV (RFC 8452). Thread-safe.</summary>
internal sealed class ValueCipher
{
    private const int TagBytes = 16;
    private const int NonceBytes = 12;

    private readonly byte[] nonceKey;
    private readonly KeyParameter valueKey;

    /// <param name="number">Of the key, 1 to 255: the first byte of what it encrypts.</param>
    /// <param name="dataKey">Not kept, two keys are derived from it.</param>
    public ValueCipher(byte number, ReadOnlySpan<byte> dataKey)
    {
        ArgumentOutOfRangeException.ThrowIfZero(number);
        ArgumentOutOfRangeException.ThrowIfNotEqual(dataKey.Length, AttributeCipher.KeyBytes);
        Number = number;
        nonceKey = Derive(dataKey, "nonce");
        valueKey = new KeyParameter(Derive(dataKey, "value"));
    }

    public byte Number { get; }

    /// <param name="context">Place and key of the item.</param>
    public byte[] Encrypt(byte[] context, ReadOnlySpan<byte> value)
    {
        var result = new byte[value.Length + AttributeCipher.Overhead];
        result[0] = Number;
        var cipher = Start(true, context);
        var written = cipher.ProcessBytes(value, result.AsSpan(1));
        cipher.DoFinal(result.AsSpan(1 + written));
        return result;
    }

    /// <returns>Null: it was not made by <see cref="Encrypt"/> with this key for this context.</returns>
    public byte[]? TryDecrypt(byte[] context, ReadOnlySpan<byte> encrypted)
    {
        if (encrypted.Length < AttributeCipher.Overhead || encrypted[0] != Number)
        {
            return null;
        }

        var value = new byte[encrypted.Length - AttributeCipher.Overhead];
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
        var key = new byte[AttributeCipher.KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, dataKey, key, default, Encoding.ASCII.GetBytes($"BillingMigration attribute {use} 1"));
        return key;
    }
}
