using System.Text.Json;

namespace BillingMigration.Transfer;

/// <summary>Calls that read, signed, tried again while that can help.</summary>
internal sealed class SignedCalls : IDisposable
{
    /// <summary>A page of a Scan or Query: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html</summary>
    private const int FirstExpected = 1024 * 1024;

    private readonly DynamoDbHttp http;
    private readonly RequestRetry retry;
    private readonly TransferMetrics metrics;
    private readonly TimeProvider time;
    private readonly TransferWindow? window;
    private int expected = FirstExpected;

    /// <param name="window">How many may be under way, where many large answers are asked for at once; null: all that are asked for.</param>
    public SignedCalls(DynamoDbHttp http, TransferMetrics metrics, RetryPolicy policy, TimeProvider time, TransferWindow? window = null)
    {
        this.window = window;
        this.http = http;
        this.metrics = metrics;
        this.time = time;
        retry = new RequestRetry(policy, new TransferThrottle(new Definition.ThrottleDefinition(), time), metrics, time);
    }

    private sealed class Call<T>(string operation, ReadOnlyMemory<byte> body, Func<DynamoDbReply, T> read) : RetriedCall
    {
        public string Operation { get; } = operation;

        public ReadOnlyMemory<byte> Body { get; } = body;

        public Func<DynamoDbReply, T> Read { get; } = read;

        public T? Answer { get; set; }
    }

    /// <param name="read">Reads the body of an answer with status 200; a <see cref="JsonException"/> counts as an answer that was damaged on the way.</param>
    /// <returns>The answer, or why there is none.</returns>
    public async Task<(T? Answer, TransferFailure? Failure)> RunAsync<T>(string operation, ReadOnlyMemory<byte> body, Func<DynamoDbReply, T> read, CancellationToken cancellationToken)
    {
        var call = new Call<T>(operation, body, read);
        await retry.RunAsync(call, AttemptAsync, cancellationToken);
        return (call.Answer, call.Failure);
    }

    public void Dispose() => http.Dispose();

    private async ValueTask AttemptAsync<T>(Call<T> call, CancellationToken cancellationToken)
    {
        TransferWindow.Pass? pass = window is null ? null : await window.EnterAsync(Volatile.Read(ref expected), cancellationToken);
        var end = TransferWindow.End.Broken;
        var started = time.GetTimestamp();
        try
        {
            using var reply = await http.SendAsync(call.Operation, call.Body, pass?.Time, cancellationToken);
            end = TransferWindow.End.Answered;
            if (reply.Status == 200)
            {
                Volatile.Write(ref expected, ((3 * Volatile.Read(ref expected)) + reply.Body.Length) / 4);
                call.Answer = call.Read(reply);
                call.Failure = null;
                retry.Succeeded(call);
            }
            else
            {
                call.Failure = TransferFailure.FromReply(reply);
            }
        }
        catch (JsonException e)
        {
            call.Failure = new TransferFailure(FailureKind.Network, "UnreadableAnswer", e.Message, e);
        }
        catch (Exception e) when (TransferFailure.FromException(e) is { } failure)
        {
            end = e is TimeoutException ? TransferWindow.End.TimedOut : TransferWindow.End.Broken;
            call.Failure = failure;
        }
        finally
        {
            if (pass is { } left)
            {
                window!.Leave(left, end);
            }
        }

        metrics.CountRequest(call.Body.Length, time.GetElapsedTime(started));
        if (call.Failure is { } trouble)
        {
            call.FailuresInRow++;
            if (trouble.Kind == FailureKind.Throttled)
            {
                metrics.CountThrottled();
            }
            else if (trouble.Kind == FailureKind.Credentials)
            {
                http.RefreshCredentials();
            }
        }
    }
}
