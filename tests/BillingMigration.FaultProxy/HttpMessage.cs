using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace BillingMigration.Testing.Faults;

/// <summary>A whole HTTP/1.1 message: start line, headers, body.</summary>
internal sealed record HttpMessage(string StartLine, List<KeyValuePair<string, string>> Headers, byte[] Body)
{
    public string? Header(string name) => Headers.FirstOrDefault(h => h.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;

    /// <summary>The same message with another body; what depends on the body is replaced or left out.</summary>
    public HttpMessage WithBody(byte[] body)
    {
        string[] dependent = ["content-length", "transfer-encoding", "x-amz-crc32"];
        var headers = Headers.Where(h => !dependent.Contains(h.Key.ToLowerInvariant())).ToList();
        headers.Add(new("Content-Length", body.Length.ToString(CultureInfo.InvariantCulture)));
        return new HttpMessage(StartLine, headers, body);
    }

    public byte[] ToBytes()
    {
        var head = new StringBuilder(StartLine).Append("\r\n");
        foreach (var (name, value) in Headers)
        {
            head.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        return [.. Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), .. Body];
    }
}

/// <summary>Reads HTTP/1.1 messages off a socket: bodies with a length, or chunked.</summary>
internal sealed class HttpMessageReader(Socket socket)
{
    private byte[] buffer = new byte[64 * 1024];
    private int start;
    private int end;

    /// <summary>Next message, its body without chunks; null at the orderly end of the connection.</summary>
    public async Task<HttpMessage?> ReadAsync(Func<Task>? onExpectContinue, CancellationToken cancellationToken)
    {
        var first = await ReadLineAsync(cancellationToken);
        if (first is null)
        {
            return null;
        }

        var headers = new List<KeyValuePair<string, string>>();
        while (await ReadLineAsync(cancellationToken) is { Length: > 0 } line)
        {
            var colon = line.IndexOf(':');
            headers.Add(new(line[..colon], line[(colon + 1)..].Trim()));
        }

        var message = new HttpMessage(first, headers, []);
        if (onExpectContinue is not null && message.Header("Expect") is not null)
        {
            await onExpectContinue();
        }

        if (message.Header("Transfer-Encoding")?.Contains("chunked", StringComparison.OrdinalIgnoreCase) == true)
        {
            return message.WithBody(await ReadChunksAsync(cancellationToken));
        }

        var length = int.Parse(message.Header("Content-Length") ?? "0", CultureInfo.InvariantCulture);
        return message with { Body = await ReadExactlyAsync(length, cancellationToken) };
    }

    private async Task<byte[]> ReadChunksAsync(CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        while (true)
        {
            var line = await ReadLineAsync(cancellationToken) ?? throw new IOException("The chunks break off.");
            var size = int.Parse(line.Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            body.Write(await ReadExactlyAsync(size, cancellationToken));
            await ReadLineAsync(cancellationToken);
            if (size == 0)
            {
                return body.ToArray();
            }
        }
    }

    private async Task<byte[]> ReadExactlyAsync(int length, CancellationToken cancellationToken)
    {
        var body = new byte[length];
        var at = Math.Min(length, end - start);
        buffer.AsSpan(start, at).CopyTo(body);
        start += at;
        while (at < length)
        {
            var read = await socket.ReceiveAsync(body.AsMemory(at), cancellationToken);
            if (read == 0)
            {
                throw new IOException("The body breaks off.");
            }

            at += read;
        }

        return body;
    }

    private async Task<string?> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var at = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = Encoding.Latin1.GetString(buffer, start, at).TrimEnd('\r');
                start += at + 1;
                return line;
            }

            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
            if (end == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length * 2);
            }

            var read = await socket.ReceiveAsync(buffer.AsMemory(end), cancellationToken);
            if (read == 0)
            {
                return end == 0 ? null : throw new IOException("A header breaks off.");
            }

            end += read;
        }
    }
}
