using System.Security.Cryptography;
using System.Text;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>What each authentication plugin wants as its first answer. Never the password itself.</summary>
internal static class AuthAnswers
{
    public const string CachingSha2 = "caching_sha2_password";
    public const string Native = "mysql_native_password";
    public const string Ed25519Plugin = "client_ed25519";

    /// <summary>Null for a plugin that is not supported.</summary>
    public static byte[]? Find(string plugin, string password, ReadOnlySpan<byte> nonce) => plugin switch
    {
        CachingSha2 => password.Length == 0 ? [] : CachingSha2Answer(password, nonce),
        Native => password.Length == 0 ? [] : NativeAnswer(password, nonce),
        Ed25519Plugin => Ed25519.Sign(Encoding.UTF8.GetBytes(password), nonce),
        _ => null,
    };

    /// <summary>The password for the full form of caching_sha2_password without TLS, to be read by the server only.</summary>
    public static byte[] Encrypt(string password, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> publicKeyPem)
    {
        using var rsa = RSA.Create();
        try
        {
            rsa.ImportFromPem(Encoding.ASCII.GetString(publicKeyPem));
        }
        catch (ArgumentException)
        {
            throw WireErrors.Malformed("a public key that is none");
        }

        var secret = ClearText(password);
        for (var i = 0; i < secret.Length; i++)
        {
            secret[i] ^= nonce[i % nonce.Length];
        }

        return rsa.Encrypt(secret, RSAEncryptionPadding.OaepSHA1);
    }

    public static byte[] ClearText(string password) => [.. Encoding.UTF8.GetBytes(password), 0];

    // SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce)
    private static byte[] CachingSha2Answer(string password, ReadOnlySpan<byte> nonce)
    {
        var once = SHA256.HashData(Encoding.UTF8.GetBytes(password));
        return Xor(once, SHA256.HashData([.. SHA256.HashData(SHA256.HashData(once)), .. nonce]));
    }

    // SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password)))
#pragma warning disable CA5350 // The plugin is what it is; the connection around it is TLS.
    private static byte[] NativeAnswer(string password, ReadOnlySpan<byte> nonce)
    {
        var once = SHA1.HashData(Encoding.UTF8.GetBytes(password));
        return Xor(once, SHA1.HashData([.. nonce, .. SHA1.HashData(once)]));
    }
#pragma warning restore CA5350

    private static byte[] Xor(byte[] into, byte[] with)
    {
        for (var i = 0; i < into.Length; i++)
        {
            into[i] ^= with[i];
        }

        return into;
    }
}
