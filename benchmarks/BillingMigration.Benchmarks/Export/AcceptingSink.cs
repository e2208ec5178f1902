using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace BillingMigration.Benchmarks.Export;

/// <summary>
/// An endpoint that accepts every BatchWriteItem at once and keeps nothing; all other calls are answered by a real DynamoDB Local behind
/// it. A process of its own, so that its CPU time is not the writer's. Prints its address, and at <c>GET /items</c> how many items came.
/// </summary>
/// <param name="kept">Keeps what comes and gives it back; null: nothing is kept.</param>
internal sealed class AcceptingSink(Uri behind, ISinkTable? kept) : IDisposable
{
    private readonly HttpClient forward = new();
    private long items;

    public static async Task RunAsync(Uri behind, ISinkTable? kept, CancellationToken cancellationToken)
    {
        using var sink = new AcceptingSink(behind, kept);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Console.WriteLine($"http://{listener.LocalEndpoint}");
        while (true)
        {
            var client = await listener.AcceptTcpClientAsync(cancellationToken);
            _ = Task.Run(() => sink.ServeAsync(client, cancellationToken), CancellationToken.None);
        }
    }

    public void Dispose() => forward.Dispose();

    private async Task ServeAsync(TcpClient client, CancellationToken cancellationToken)
    {
        using var owned = client;
        client.NoDelay = true;
        var buffer = new byte[64 * 1024];
        var held = 0;
        try
        {
            while (true)
            {
                int head;
                while ((head = buffer.AsSpan(0, held).IndexOf("\r\n\r\n"u8) + 4) < 4)
                {
                    held += await ReceiveAsync(client.Client, buffer.AsMemory(held), cancellationToken);
                }

                var request = HttpHead.Parse(buffer.AsSpan(0, head));
                if (head + request.BodyLength > buffer.Length)
                {
                    Array.Resize(ref buffer, head + request.BodyLength);
                }

                while (held < head + request.BodyLength)
                {
                    held += await ReceiveAsync(client.Client, buffer.AsMemory(held), cancellationToken);
                }

                var body = buffer.AsMemory(head, request.BodyLength);
                await client.Client.SendAsync(await AnswerAsync(request, body, cancellationToken), cancellationToken);
                var next = head + request.BodyLength;
                buffer.AsSpan(next, held - next).CopyTo(buffer);
                held -= next;
            }
        }
        catch (Exception e) when (e is SocketException or EndOfStreamException or OperationCanceledException)
        {
            // The client has gone, or this process ends.
        }
    }

    private static async ValueTask<int> ReceiveAsync(Socket socket, Memory<byte> into, CancellationToken cancellationToken)
    {
        var read = await socket.ReceiveAsync(into, cancellationToken);
        return read > 0 ? read : throw new EndOfStreamException();
    }

    private async ValueTask<byte[]> AnswerAsync(HttpHead request, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        const string Version = "DynamoDB_20120810.";
        if (kept is not null && request.Target.StartsWith(Version, StringComparison.Ordinal) && request.Target[Version.Length..] is var operation && kept.Answer(operation, body) is { } answer)
        {
            await Task.Delay(kept.TimeOf(operation), cancellationToken);
            return Answer(200, answer);
        }

        if (request.Target == Version + "BatchWriteItem")
        {
            // "PutRequest" cannot stand in a value: quotes are escaped there. PyPI's encoder puts blanks behind colons, others none.
            var count = body.Span.Count("\"PutRequest\""u8);
            Interlocked.Add(ref items, count);
            var units = body.Span.IndexOf("\"ReturnConsumedCapacity\""u8) >= 0
                ? string.Create(CultureInfo.InvariantCulture, $",\"ConsumedCapacity\":[{{\"TableName\":\"billing\",\"CapacityUnits\":{5.0 * count:0.0}}}]")
                : "";
            return Answer(200, Encoding.ASCII.GetBytes("{\"UnprocessedItems\":{}" + units + "}"));
        }

        return request.Target.Length == 0
            ? Answer(200, Encoding.ASCII.GetBytes(Interlocked.Read(ref items).ToString(CultureInfo.InvariantCulture)))
            : await ForwardAsync(request, body, cancellationToken);
    }

    private async ValueTask<byte[]> ForwardAsync(HttpHead request, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, behind) { Content = new ReadOnlyMemoryContent(body) };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-amz-json-1.0");
        message.Headers.TryAddWithoutValidation("X-Amz-Target", request.Target);
        message.Headers.TryAddWithoutValidation("X-Amz-Date", request.Date);
        message.Headers.TryAddWithoutValidation("Authorization", request.Authorization);
        using var response = await forward.SendAsync(message, cancellationToken);
        return Answer((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
    }

    private static byte[] Answer(int status, ReadOnlySpan<byte> body) =>
    [
        .. Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {body.Length}\r\n\r\n")),
        .. body,
    ];
}

/// <summary>A table that answers for the sink.</summary>
internal interface ISinkTable
{
    /// <param name="operation">Of DynamoDB, for example <c>Scan</c>.</param>
    /// <returns>Null: it is not the table's to answer.</returns>
    byte[]? Answer(string operation, ReadOnlyMemory<byte> body);

    /// <summary>How long it takes for an answer.</summary>
    TimeSpan TimeOf(string operation) => TimeSpan.Zero;
}

/// <summary>What the sink needs of a request's head.</summary>
internal readonly record struct HttpHead(int BodyLength, string Target, string Date, string Authorization)
{
    public static HttpHead Parse(ReadOnlySpan<byte> head)
    {
        var length = Field(head, "content-length"u8);
        return new HttpHead(
            Utf8Parser.TryParse(length, out int value, out _) ? value : 0,
            Encoding.ASCII.GetString(Field(head, "x-amz-target"u8)),
            Encoding.ASCII.GetString(Field(head, "x-amz-date"u8)),
            Encoding.ASCII.GetString(Field(head, "authorization"u8)));
    }

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        while (head.IndexOf("\r\n"u8) is >= 0 and var end)
        {
            var line = head[..end];
            if (line.Length > name.Length && line[name.Length] == (byte)':' && Ascii.EqualsIgnoreCase(line[..name.Length], name))
            {
                return line[(name.Length + 1)..].Trim((byte)' ');
            }

            head = head[(end + 2)..];
        }

        return [];
    }
}
