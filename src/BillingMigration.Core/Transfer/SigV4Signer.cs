using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;

namespace BillingMigration.Transfer;

/// <summary>A header that is signed: lower-case name, trimmed value.</summary>
internal readonly record struct SignedHeader(string Name, string Value);

/// <summary>
/// AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html) for requests with a body
/// in memory. The signing key is derived once per day and secret; a signature then costs three hashes and one string.
/// </summary>
internal sealed class SigV4Signer(string region, string service)
{
    private const string Algorithm = "AWS4-HMAC-SHA256";
    private const int HashBytes = 32;

    private SigningKey? cached;

    private sealed record SigningKey(string Secret, string Date, string Scope, byte[] Key);

    /// <summary>Basic ISO 8601 time of the <c>X-Amz-Date</c> header: <c>20150830T123600Z</c>.</summary>
    public static string FormatDate(DateTimeOffset now) => string.Create(16, now.UtcDateTime, static (text, utc) =>
    {
        utc.TryFormat(text, out _, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
    });

    /// <summary>Value of the <c>Authorization</c> header.</summary>
    /// <param name="method">HTTP method.</param>
    /// <param name="canonicalPath">URI-encoded absolute path.</param>
    /// <param name="canonicalQuery">Encoded parameters sorted by name, without the question mark.</param>
    /// <param name="headers">Headers to sign, sorted by name; <c>host</c> and <c>x-amz-date</c> among them.</param>
    /// <param name="payload">Body.</param>
    /// <param name="date">Value of the <c>x-amz-date</c> header.</param>
    /// <param name="credentials">Whose signature it is.</param>
    public string Authorize(
        string method,
        string canonicalPath,
        string canonicalQuery,
        ReadOnlySpan<SignedHeader> headers,
        ReadOnlySpan<byte> payload,
        string date,
        ImmutableCredentials credentials)
    {
        var key = KeyFor(credentials.SecretKey, date);
        Span<byte> hash = stackalloc byte[HashBytes];
        SHA256.HashData(payload, hash);

        var names = 0;
        var capacity = method.Length + 3 * (canonicalPath.Length + canonicalQuery.Length) + 80;
        foreach (var header in headers)
        {
            names += header.Name.Length + 1;
            capacity += 2 * (header.Name.Length + 2) + 3 * header.Value.Length;
        }

        var rented = ArrayPool<byte>.Shared.Rent(capacity);
        try
        {
            HashCanonicalRequest(rented, method, canonicalPath, canonicalQuery, headers, hash);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        Span<byte> toSign = stackalloc byte[Algorithm.Length + date.Length + key.Scope.Length + 3 + HashBytes * 2];
        var text = new ByteText(toSign);
        text.Append(Algorithm);
        text.Append('\n');
        text.Append(date);
        text.Append('\n');
        text.Append(key.Scope);
        text.Append('\n');
        text.AppendHex(hash);
        HMACSHA256.HashData(key.Key, text.Written, hash);
        return Compose(headers, names - 1, credentials.AccessKey, key.Scope, hash);
    }

    private static void HashCanonicalRequest(
        Span<byte> buffer, string method, string path, string query, ReadOnlySpan<SignedHeader> headers, Span<byte> hash)
    {
        var text = new ByteText(buffer);
        text.Append(method);
        text.Append('\n');
        text.Append(path);
        text.Append('\n');
        text.Append(query);
        text.Append('\n');
        foreach (var header in headers)
        {
            text.Append(header.Name);
            text.Append(':');
            text.Append(header.Value);
            text.Append('\n');
        }

        for (var i = 0; i < headers.Length; i++)
        {
            text.Append(i == 0 ? '\n' : ';');
            text.Append(headers[i].Name);
        }

        text.Append('\n');
        text.AppendHex(hash);
        SHA256.HashData(text.Written, hash);
    }

    private static string Compose(ReadOnlySpan<SignedHeader> headers, int namesLength, string accessKey, string scope, ReadOnlySpan<byte> signature)
    {
        var length = Algorithm.Length + " Credential=".Length + accessKey.Length + 1 + scope.Length
            + ", SignedHeaders=".Length + namesLength + ", Signature=".Length + HashBytes * 2;
        Span<byte> buffer = length <= 1024 ? stackalloc byte[length] : new byte[length];
        var text = new ByteText(buffer);
        text.Append(Algorithm);
        text.Append(" Credential=");
        text.Append(accessKey);
        text.Append('/');
        text.Append(scope);
        text.Append(", SignedHeaders=");
        for (var i = 0; i < headers.Length; i++)
        {
            if (i > 0)
            {
                text.Append(';');
            }

            text.Append(headers[i].Name);
        }

        text.Append(", Signature=");
        text.AppendHex(signature);
        Debug.Assert(text.Written.Length == length);
        return Encoding.ASCII.GetString(text.Written);
    }

    private SigningKey KeyFor(string secret, string date)
    {
        var day = date.AsSpan(0, 8);
        var known = Volatile.Read(ref cached);
        if (known is not null && day.SequenceEqual(known.Date) && string.Equals(secret, known.Secret, StringComparison.Ordinal))
        {
            return known;
        }

        Span<byte> key = stackalloc byte[HashBytes];
        HMACSHA256.HashData(Encoding.UTF8.GetBytes("AWS4" + secret), Encoding.ASCII.GetBytes(day.ToString()), key);
        HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(region), key);
        HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(service), key);
        HMACSHA256.HashData(key, "aws4_request"u8, key);
        var made = new SigningKey(secret, day.ToString(), $"{day}/{region}/{service}/aws4_request", key.ToArray());
        Volatile.Write(ref cached, made);
        return made;
    }

    private ref struct ByteText(Span<byte> buffer)
    {
        private readonly Span<byte> buffer = buffer;
        private int length;

        public readonly ReadOnlySpan<byte> Written => buffer[..length];

        public void Append(string value)
        {
            length += Encoding.UTF8.GetBytes(value, buffer[length..]);
        }

        public void Append(char value)
        {
            buffer[length++] = (byte)value;
        }

        public void AppendHex(ReadOnlySpan<byte> value)
        {
            ReadOnlySpan<byte> digits = "0123456789abcdef"u8;
            foreach (var one in value)
            {
                buffer[length++] = digits[one >> 4];
                buffer[length++] = digits[one & 15];
            }
        }
    }
}
