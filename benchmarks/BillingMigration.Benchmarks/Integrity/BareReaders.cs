using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using BillingMigration.Testing;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Benchmarks.Integrity;

/// <summary>Readers that read everything and look at nothing: what each side can give.</summary>
internal static class BareReaders
{
    private const int AtOnce = 8;
    private const string Authorization =
        "AWS4-HMAC-SHA256 Credential=local/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";

    /// <summary>A parallel scan, not signed; of an answer only its last key is looked for.</summary>
    public static async Task<TimeSpan> ScanAsync(Uri endpoint, string table, int segments, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        var started = Stopwatch.GetTimestamp();
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, segments, options, async (segment, token) =>
        {
            var from = "";
            do
            {
                var body = string.Create(CultureInfo.InvariantCulture, $"{{\"TableName\":\"{table}\",\"ConsistentRead\":true,\"Segment\":{segment},\"TotalSegments\":{segments}{from}}}");
                from = LastKey(await PostAsync(http, endpoint, body, token)) is { } key ? $",\"ExclusiveStartKey\":{key}" : "";
            }
            while (from.Length > 0);
        });
        return Stopwatch.GetElapsedTime(started);
    }

    /// <summary>Every row of every table over one connection.</summary>
    public static async Task<TimeSpan> SelectAsync(TestDatabase database, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync();
        var started = Stopwatch.GetTimestamp();
        foreach (var table in SampleDatabase.Tables)
        {
            await using var command = new MySqlCommand($"SELECT * FROM {table}", connection) { CommandTimeout = 0 };
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                // Nothing: the row has come over the wire.
            }
        }

        return Stopwatch.GetElapsedTime(started);
    }

    private static async Task<byte[]> PostAsync(HttpClient http, Uri endpoint, string body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-amz-json-1.0");
        request.Headers.TryAddWithoutValidation("X-Amz-Target", "DynamoDB_20120810.Scan");
        request.Headers.TryAddWithoutValidation("X-Amz-Date", "20260101T000000Z");
        request.Headers.TryAddWithoutValidation("Authorization", Authorization);
        using var response = await http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    private static string? LastKey(byte[] answer)
    {
        var at = answer.AsSpan().LastIndexOf("\"LastEvaluatedKey\":"u8);
        if (at < 0)
        {
            return null;
        }

        var reader = new Utf8JsonReader(answer.AsSpan(at + "\"LastEvaluatedKey\":".Length));
        using var key = JsonDocument.ParseValue(ref reader);
        return key.RootElement.GetRawText();
    }
}
