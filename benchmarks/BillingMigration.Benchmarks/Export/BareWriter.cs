using System.Diagnostics;
using System.Net.Http.Headers;

namespace BillingMigration.Benchmarks.Export;

/// <summary>
/// Posts ready-made BatchWriteItem bodies and does nothing else: not signed, nothing read, nothing encoded, no checkpoint. What it
/// reaches is what the endpoint can take.
/// </summary>
internal static class BareWriter
{
    private const string Authorization =
        "AWS4-HMAC-SHA256 Credential=local/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";

    /// <param name="writers">Requests under way at the same time.</param>
    /// <returns>How long it took to write all.</returns>
    public static async Task<TimeSpan> WriteAsync(Uri endpoint, IReadOnlyList<byte[]> bodies, int writers, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        var next = -1;
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(async _ =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < bodies.Count;)
            {
                await PostAsync(http, endpoint, bodies[i], cancellationToken);
            }
        }));
        return Stopwatch.GetElapsedTime(started);
    }

    private static async Task PostAsync(HttpClient http, Uri endpoint, byte[] body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-amz-json-1.0");
        request.Headers.TryAddWithoutValidation("X-Amz-Target", "DynamoDB_20120810.BatchWriteItem");
        request.Headers.TryAddWithoutValidation("X-Amz-Date", "20260101T000000Z");
        request.Headers.TryAddWithoutValidation("Authorization", Authorization);
        using var response = await http.SendAsync(request, cancellationToken);
        var answer = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        if (!response.IsSuccessStatusCode || answer.AsSpan().IndexOf("\"UnprocessedItems\":{}"u8) < 0)
        {
            throw new InvalidOperationException($"The endpoint did not take a batch of the bare writer: HTTP {(int)response.StatusCode}.");
        }
    }
}
