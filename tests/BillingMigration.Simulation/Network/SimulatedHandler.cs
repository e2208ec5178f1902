namespace BillingMigration.Simulation;

/// <summary>Takes requests from an <see cref="HttpClient"/> to the simulated network.</summary>
internal sealed class SimulatedHandler(SimulatedNetwork network, SimulatedProcess process) : HttpMessageHandler
{
    private const string Api = "DynamoDB_20120810.";

    /// <summary>The operation that a request's <c>X-Amz-Target</c> names.</summary>
    public static string OperationOf(string? target) =>
        target is null ? string.Empty : target.StartsWith(Api, StringComparison.Ordinal) ? target[Api.Length..] : target;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var caller = SimulatedDynamoDb.Caller.Value;
        var operation = OperationOf(request.Headers.TryGetValues("X-Amz-Target", out var targets) ? targets.First() : null);
        var body = request.Content is null ? [] : await request.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        if (!process.IsDead)
        {
            network.Send(new SimulatedRequest(operation, body, caller, process, answer));
        }

        using var given = cancellationToken.UnsafeRegister(
            state =>
            {
                // The code of a dead process must not go on.
                if (!process.IsDead)
                {
                    ((TaskCompletionSource<HttpResponseMessage>)state!).TrySetCanceled(cancellationToken);
                }
            },
            answer);
        var response = await answer.Task.ConfigureAwait(false);
        response.RequestMessage = request;
        return response;
    }
}
