using System.Text;
using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>One request as it was sent.</summary>
public sealed class SimulatedRequest
{
    private readonly ReadOnlyMemory<byte> body;
    private readonly Lazy<string?> table;

    internal SimulatedRequest(string operation, ReadOnlyMemory<byte> body, object? caller, SimulatedProcess process, TaskCompletionSource<HttpResponseMessage> answer)
    {
        (Operation, this.body, Caller, Process, Answer) = (operation, body, caller, process, answer);
        table = new Lazy<string?>(FindTable);
    }

    public string Operation { get; }

    /// <summary>The table of a request that names one.</summary>
    public string? Table => table.Value;

    /// <summary>The body as it was sent.</summary>
    public string Json => Encoding.UTF8.GetString(body.Span);

    /// <summary>The place of the request among all that were sent, from 1.</summary>
    public long Number { get; internal set; }

    /// <summary>The value of <see cref="SimulatedDynamoDb.Caller"/> when the request was sent.</summary>
    public object? Caller { get; }

    public SimulatedProcess Process { get; }

    /// <summary>When it was signed, in ticks of the true time.</summary>
    internal long SentAt { get; set; }

    internal ReadOnlyMemory<byte> Body => body;

    internal TaskCompletionSource<HttpResponseMessage> Answer { get; }

    private string? FindTable()
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("TableName"u8, out var name)
                && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // A malformed request names no table; the service answers it with an error.
            return null;
        }
    }
}
