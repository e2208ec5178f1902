using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace BillingMigration.Testing.Faults;

/// <summary>Passes HTTP requests of one connection on, one after another, each with the fault that a rule has for it.</summary>
internal sealed class HttpRelay(FaultProxy proxy, Link link, string host, int port)
{
    private readonly HttpMessageReader requests = new(link.Client);
    private HttpMessageReader? answers;
    private Socket? server;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await requests.ReadAsync(ContinueAsync, cancellationToken) is { } request)
        {
            proxy.CountRequest();
            await PaceAsync(request.Body.Length, toServer: true, cancellationToken);
            if (link.Client.Poll(0, SelectMode.SelectRead) && link.Client.Available == 0)
            {
                // Given up while it was on its way: the bytes went with the connection.
                return;
            }

            var operation = request.Header("X-Amz-Target")?.Split('.')[^1] ?? string.Empty;
            var answer = proxy.Faults.For(operation, request.Body) switch
            {
                null when IsUntimely(request) => Error(400, "Bad Request", "InvalidSignatureException", "Signature expired: the date of the request is now earlier than the server's time less 5 min."),
                null when proxy.Faults.Hot is { } hot && operation == "BatchWriteItem" => await ForwardPartAsync(request, (puts, _) => hot(PartitionKeyOf(puts)), cancellationToken),
                null when proxy.Faults.Stream is { } stream && StreamSplit.Concerns(operation) => await stream.RelayAsync(
                    operation, request, r => ForwardAsync(r, cancellationToken), body => Answer(200, "OK", "application/x-amz-json-1.0", body)),
                null => await ForwardAsync(request, cancellationToken),
                HttpFault.Throttle => Error(400, "Bad Request", "ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded."),
                HttpFault.InternalError => Error(500, "Internal Server Error", "InternalServerError", "The request processing has failed because of an unknown error."),
                HttpFault.Unavailable => Answer(503, "Service Unavailable", "text/html", "<html><body>Service Unavailable</body></html>"),
                HttpFault.ExpiredCredentials => Error(400, "Bad Request", "ExpiredTokenException", "The security token included in the request is expired"),
                HttpFault.ReplicatedConflict => Error(400, "Bad Request", "ReplicatedWriteConflictException", "One or more items in this request are being modified by a request in another Region."),
                HttpFault.AccessDenied => Error(
                    400,
                    "Bad Request",
                    "AccessDeniedException",
                    $"User: arn:aws:iam::123456789012:user/migrator is not authorized to perform: dynamodb:{operation} on resource: arn:aws:dynamodb:eu-central-1:123456789012:table/billing because no identity-based policy allows the dynamodb:{operation} action"),
                HttpFault.PartialBatch when operation == "BatchWriteItem" => await ForwardPartAsync(request, (_, place) => place.Number >= place.Of / 2, cancellationToken),
                HttpFault.EmptyStream when operation == "GetRecords" => Answer(
                    200, "OK", "application/x-amz-json-1.0", new JsonObject { ["Records"] = new JsonArray(), ["NextShardIterator"] = JsonNode.Parse(request.Body)!["ShardIterator"]!.DeepClone() }.ToJsonString()),
                HttpFault.EmptyIndex when operation == "Query" && JsonNode.Parse(request.Body)!["IndexName"] is not null => Answer(
                    200, "OK", "application/x-amz-json-1.0", new JsonObject { ["Items"] = new JsonArray(), ["Count"] = 0, ["ScannedCount"] = 0 }.ToJsonString()),
                HttpFault.PartialBatch or HttpFault.EmptyStream or HttpFault.EmptyIndex => await ForwardAsync(request, cancellationToken),
                HttpFault.LoseAnswer => await ForwardAndLoseAsync(request, cancellationToken),
                HttpFault.Late => await DeliverLateAsync(request, cancellationToken),
                HttpFault.Swallow => await SwallowAsync(cancellationToken),
                _ => null,
            };
            if (answer is null)
            {
                link.Reset();
                return;
            }

            await PaceAsync(proxy.Faults.Link is null ? answer.Body.Length : 0, toServer: false, cancellationToken);
            if (proxy.Faults.Clock != TimeSpan.Zero)
            {
                answer.Headers.RemoveAll(h => h.Key.Equals("Date", StringComparison.OrdinalIgnoreCase));
                answer.Headers.Add(new("Date", (DateTimeOffset.UtcNow + proxy.Faults.Clock).ToString("R", CultureInfo.InvariantCulture)));
            }

            if (proxy.Faults.ResetAfterBytes is { } most && answer.Body.Length > most)
            {
                await SendAsync(link.Client, answer.ToBytes().AsMemory(0, (int)most), cancellationToken);
                link.Reset();
                return;
            }

            await SendAnswerAsync(answer.ToBytes(), cancellationToken);
        }
    }

    /// <summary>Piece by piece where the link is narrow, as the client would see it come.</summary>
    private async Task SendAnswerAsync(ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
    {
        while (proxy.Faults.Link is { } shared && !answer.IsEmpty)
        {
            var piece = answer[..Math.Min(answer.Length, SharedLink.Piece)];
            await shared.PassAsync(piece.Length, toServer: false, cancellationToken);
            await SendAsync(link.Client, piece, cancellationToken);
            answer = answer[piece.Length..];
        }

        await SendAsync(link.Client, answer, cancellationToken);
    }

    private bool IsUntimely(HttpMessage request) => proxy.Faults.Clock != TimeSpan.Zero
        && (!DateTimeOffset.TryParseExact(request.Header("X-Amz-Date"), "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var signed)
            || (signed - DateTimeOffset.UtcNow - proxy.Faults.Clock).Duration() > TimeSpan.FromMinutes(5));

    private async Task PaceAsync(int bytes, bool toServer, CancellationToken cancellationToken)
    {
        await proxy.Faults.PassAsync(cancellationToken);
        if (proxy.Faults.Link is { } shared)
        {
            await shared.PassAsync(bytes, toServer, cancellationToken);
        }

        var transfer = proxy.Faults.BytesPerSecond is { } rate ? TimeSpan.FromSeconds((double)bytes / rate) : TimeSpan.Zero;
        if (proxy.Faults.Latency + transfer is { Ticks: > 0 } wait)
        {
            await Task.Delay(wait, cancellationToken);
        }
    }

    private async Task<HttpMessage> ForwardAsync(HttpMessage request, CancellationToken cancellationToken)
    {
        server ??= await link.ConnectAsync(host, port, cancellationToken);
        answers ??= new HttpMessageReader(server);
        await SendAsync(server, request.ToBytes(), cancellationToken);
        return await answers.ReadAsync(null, cancellationToken) ?? throw new IOException("The server ended the connection.");
    }

    private async Task<HttpMessage?> ForwardAndLoseAsync(HttpMessage request, CancellationToken cancellationToken)
    {
        await ForwardAsync(request, cancellationToken);
        return null;
    }

    /// <summary>As a network does that is slow to notice: an orderly end comes behind the bytes, a reset takes them back.</summary>
    private async Task<HttpMessage?> DeliverLateAsync(HttpMessage request, CancellationToken cancellationToken)
    {
        await proxy.Faults.HoldAsync(delivery => HoldAsync(request, delivery, cancellationToken));
        return null;
    }

    private async Task HoldAsync(HttpMessage request, Task delivery, CancellationToken cancellationToken)
    {
        var isReset = false;
        try
        {
            await link.Client.ReceiveAsync(new byte[1].AsMemory(), SocketFlags.Peek, cancellationToken);
        }
        catch (SocketException)
        {
            isReset = true;
        }

        await delivery.WaitAsync(cancellationToken);
        if (!isReset)
        {
            await ForwardAsync(request, cancellationToken);
        }

        proxy.Faults.CountLate(arrived: !isReset);
    }

    private static string PartitionKeyOf(JsonNode write) => (write["PutRequest"]?["Item"] ?? write["DeleteRequest"]?["Key"])?["pk"]?["S"]?.GetValue<string>() ?? "";

    /// <summary>Forwards a part of the writes of a BatchWriteItem.</summary>
    /// <param name="isLeft">Tells by the write and its place in the request whether it comes back unprocessed.</param>
    private async Task<HttpMessage> ForwardPartAsync(HttpMessage request, Func<JsonNode, (int Number, int Of), bool> isLeft, CancellationToken cancellationToken)
    {
        var body = JsonNode.Parse(request.Body)!;
        var left = new JsonObject();
        foreach (var (table, writes) in body["RequestItems"]!.AsObject().ToList())
        {
            var all = writes!.AsArray();
            var parts = all.Select((write, number) => (Write: write!, IsLeft: isLeft(write!, (number, all.Count)))).ToLookup(w => w.IsLeft, w => w.Write.DeepClone());
            if (parts[true].Any())
            {
                left[table] = new JsonArray([.. parts[true].Reverse()]);
            }

            body["RequestItems"]!.AsObject().Remove(table);
            if (parts[false].Any())
            {
                body["RequestItems"]![table] = new JsonArray([.. parts[false]]);
            }
        }

        if (left.Count == 0)
        {
            return await ForwardAsync(request, cancellationToken);
        }

        if (body["RequestItems"]!.AsObject().Count == 0)
        {
            return Answer(200, "OK", "application/x-amz-json-1.0", new JsonObject { ["UnprocessedItems"] = left }.ToJsonString());
        }

        var answer = await ForwardAsync(request.WithBody(Encoding.UTF8.GetBytes(body.ToJsonString())), cancellationToken);
        if (!answer.StartLine.Contains(" 200", StringComparison.Ordinal))
        {
            return answer;
        }

        var changed = JsonNode.Parse(answer.Body)!;
        changed["UnprocessedItems"] = left;
        return answer.WithBody(Encoding.UTF8.GetBytes(changed.ToJsonString()));
    }

    private static async Task<HttpMessage?> SwallowAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        return null;
    }

    private Task ContinueAsync() => SendAsync(link.Client, "HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), CancellationToken.None);

    private static HttpMessage Error(int status, string phrase, string code, string message) => Answer(
        status,
        phrase,
        "application/x-amz-json-1.0",
        new JsonObject { ["__type"] = "com.amazonaws.dynamodb.v20120810#" + code, ["message"] = message }.ToJsonString());

    private static HttpMessage Answer(int status, string phrase, string type, string body) =>
        new HttpMessage($"HTTP/1.1 {status} {phrase}", [new("Content-Type", type), new("x-amzn-RequestId", "FAULTPROXY")], []).WithBody(Encoding.UTF8.GetBytes(body));

    private static async Task SendAsync(Socket to, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (!data.IsEmpty)
        {
            data = data[await to.SendAsync(data, cancellationToken)..];
        }
    }
}
