using System.Text;
using System.Text.Json;

namespace BillingMigration.Simulation.Tests;

/// <summary>Sends raw DynamoDB requests, to the simulation or to DynamoDB Local.</summary>
internal sealed class SimulatedClient(HttpMessageHandler handler, Uri endpoint) : IDisposable
{
    private readonly HttpClient http = new(handler) { Timeout = Timeout.InfiniteTimeSpan };

    public static SimulatedClient Of(SimulatedDynamoDb dynamo, SimulatedProcess process) => new(dynamo.CreateHandler(process), new Uri("http://simulated.invalid/"));

    public static SimulatedClient Of(Uri endpoint) => new(new SocketsHttpHandler(), endpoint);

    public async Task<ClientAnswer> SendAsync(string operation, string json, CancellationToken cancellation = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new StringContent(json, Encoding.UTF8, "application/x-amz-json-1.0") };
        request.Headers.TryAddWithoutValidation("X-Amz-Target", "DynamoDB_20120810." + operation);

        // DynamoDB Local wants the form of a signature and checks nothing of it.
        request.Headers.TryAddWithoutValidation("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0");
        using var response = await http.SendAsync(request, cancellation).ConfigureAwait(false);
        var body = await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false);
        return new ClientAnswer((int)response.StatusCode, JsonDocument.Parse(body).RootElement);
    }

    public async Task<JsonElement> DoAsync(string operation, string json)
    {
        var answer = await SendAsync(operation, json).ConfigureAwait(false);
        return answer.Status == 200 ? answer.Body : throw new InvalidOperationException(answer.Body.ToString());
    }

    public void Dispose() => http.Dispose();
}

internal sealed record ClientAnswer(int Status, JsonElement Body)
{
    /// <summary>The exception's name, or nothing for a success.</summary>
    public string Error => Status == 200 ? string.Empty : Body.GetProperty("__type").GetString()!.Split('#')[^1];

    public IEnumerable<string> Reasons => Body.GetProperty("CancellationReasons").EnumerateArray().Select(r => r.GetProperty("Code").GetString()!);
}
