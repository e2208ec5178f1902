using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace BillingMigration.Testing;

/// <summary>KMS as moto has it, in memory. Any access key will do.</summary>
public sealed class KmsServer : IAsyncDisposable
{
    private readonly ServerScript? script;
    private readonly HttpClient http = new();

    private KmsServer(ServerScript? script, Uri endpoint) => (this.script, Endpoint) = (script, endpoint);

    public Uri Endpoint { get; }

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_KMS</c> (its URL) names.</summary>
    public static async Task<KmsServer> StartAsync()
    {
        if (Environment.GetEnvironmentVariable("BILLING_KMS") is { Length: > 0 } given)
        {
            return new KmsServer(null, new Uri(given));
        }

        var script = await ServerScript.StartAsync("moto");
        return new KmsServer(script, new UriBuilder("http", "127.0.0.1", script.Port).Uri);
    }

    /// <returns>ARN of a new symmetric key.</returns>
    public async Task<string> CreateKeyAsync() => (await CallAsync("CreateKey", new { })).GetProperty("KeyMetadata").GetProperty("Arn").GetString()!;

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await (script?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    // Not by the SDK: test projects differ in the one that they have.
    private async Task<JsonElement> CallAsync(string operation, object request)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, Endpoint) { Content = new StringContent(JsonSerializer.Serialize(request), Encoding.UTF8) };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-amz-json-1.1");
        message.Headers.Add("X-Amz-Target", "TrentService." + operation);
        message.Headers.TryAddWithoutValidation("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=none");
        using var answer = await http.SendAsync(message);
        var body = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode ? body.Length > 0 ? JsonDocument.Parse(body).RootElement : default : throw new InvalidOperationException($"{operation}: {body}");
    }
}
