using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Transfer;

namespace BillingMigration.Target;

/// <summary>Writes batches over the signed hot path. Many batches may be under way at the same time.</summary>
public sealed class BatchWriter : IBatchWriter, IDisposable
{
    private readonly DynamoDbHttp http;
    private readonly TargetConnection target;
    private readonly string table;
    private readonly BatchWriteRequest request;
    private readonly TransferThrottle throttle;
    private readonly TransferMetrics metrics;
    private readonly RequestRetry retry;
    private readonly RetryPolicy policy;
    private readonly TimeProvider time;
    private readonly Func<Call, CancellationToken, ValueTask> attempt;
    private readonly Func<CancellationToken, ValueTask<CancellationToken>>? right;

    /// <param name="right">Asked right before each request: returns when it may be sent, with a token that breaks it off when it may not be any more.</param>
    public BatchWriter(
        TargetConnection target, string table, TransferThrottle throttle, TransferMetrics metrics, RetryPolicy policy, TimeProvider time,
        Func<CancellationToken, ValueTask<CancellationToken>>? right = null)
    {
        this.right = right;
        this.target = target;
        this.table = table;
        this.throttle = throttle;
        this.metrics = metrics;
        this.time = time;
        this.policy = policy;
        request = new BatchWriteRequest(table);
        http = new DynamoDbHttp(target.Endpoint, target.Region, target.Credentials, policy, time);
        retry = new RequestRetry(policy, throttle, metrics, time);
        attempt = AttemptAsync;
    }

    /// <summary>One call: the items of a batch, or a part of it, that are still to be written.</summary>
    private sealed class Call(ItemBatch batch, int[] pending, int count) : RetriedCall
    {
        public ItemBatch Batch { get; } = batch;

        public int[] Pending { get; } = pending;

        public int Count { get; set; } = count;

        public double Units { get; set; }

        public int Requests { get; set; }

        public int Throttled { get; set; }
    }

    public async ValueTask<BatchWriteResult> WriteAsync(ItemBatch batch, CancellationToken cancellationToken)
    {
        if (batch.Count == 0)
        {
            return new BatchWriteResult(0, 0, 0, []);
        }

        var all = new int[batch.Count];
        for (var i = 0; i < all.Length; i++)
        {
            all[i] = i;
        }

        var call = new Call(batch, all, all.Length);
        await retry.RunAsync(call, attempt, cancellationToken);
        if (call.Failure is null)
        {
            return new BatchWriteResult(call.Units, call.Requests, call.Throttled, []);
        }

        var rejected = ImmutableArray.CreateBuilder<RejectedItem>();
        var total = await IsolateAsync(call, rejected, cancellationToken);
        return total with { Rejected = rejected.DrainToImmutable() };
    }

    public void Dispose() => http.Dispose();

    /// <summary>DynamoDB refuses a whole batch for one bad item: halves it until the bad ones stand alone, and writes the others.</summary>
    private async ValueTask<BatchWriteResult> IsolateAsync(Call call, ImmutableArray<RejectedItem>.Builder rejected, CancellationToken cancellationToken)
    {
        var total = new BatchWriteResult(call.Units, call.Requests, call.Throttled, []);
        switch (call.Failure)
        {
            case null:
                return total;
            case { Kind: FailureKind.Validation } when call.Count == 1:
                var index = call.Pending[0];
                rejected.Add(new RejectedItem(index, RejectionText.WithoutValues(call.Failure.Message, call.Batch.Item(index).Span)));
                return total;
            case { Kind: FailureKind.Validation }:
                break;
            default:
                throw ToError(call.Failure);
        }

        var half = call.Count / 2;
        foreach (var part in new[] { call.Pending[..half], call.Pending[half..call.Count] })
        {
            var inner = new Call(call.Batch, part, part.Length);
            await retry.RunAsync(inner, attempt, cancellationToken);
            var result = await IsolateAsync(inner, rejected, cancellationToken);
            total = new BatchWriteResult(
                total.ConsumedWriteUnits + result.ConsumedWriteUnits, total.Requests + result.Requests, total.ThrottledRequests + result.ThrottledRequests, []);
        }

        return total;
    }

    private async ValueTask AttemptAsync(Call call, CancellationToken cancellationToken)
    {
        var size = request.Length(call.Batch, call.Pending.AsSpan(0, call.Count));
        var estimate = throttle.EstimateUnits(call.Count, size);
        await throttle.AcquireAsync(call.Count, size, estimate, cancellationToken);
        var body = ArrayPool<byte>.Shared.Rent(size);
        var sent = call.Count;
        var units = call.Units;
        try
        {
            request.Write(call.Batch, call.Pending.AsSpan(0, sent), body);
            await SendAsync(call, body.AsMemory(0, size), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(body);
            throttle.Settle(sent, sent - call.Count, estimate, call.Units - units);
        }
    }

    private async ValueTask SendAsync(Call call, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var held = right is null ? CancellationToken.None : await right(cancellationToken);
        using var both = held.CanBeCanceled ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, held) : null;
        var started = time.GetTimestamp();
        call.Requests++;
        try
        {
            using var reply = await http.SendAsync("BatchWriteItem", body, both?.Token ?? cancellationToken);
            call.Failure = reply.Status == 200 ? ReadReply(call, reply) : TransferFailure.FromReply(reply);
        }
        catch (OperationCanceledException e) when (held.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            call.Failure = new TransferFailure(FailureKind.Network, "LeasePaused", "The control table could not be reached, and nothing is written meanwhile.", e);
        }
        catch (Exception e) when (TransferFailure.FromException(e) is { } failure)
        {
            call.Failure = failure;
        }

        metrics.CountRequest(body.Length, time.GetElapsedTime(started));
        if (call.Failure is { } trouble)
        {
            NoteTrouble(call, trouble);
        }
    }

    private TransferFailure? ReadReply(Call call, DynamoDbReply reply)
    {
        Span<int> left = stackalloc int[ItemBatch.MaxItems];
        int unprocessed;
        double units;
        try
        {
            (unprocessed, units) = BatchWriteRequest.Read(reply.Body, call.Batch, call.Pending.AsSpan(0, call.Count), left);
        }
        catch (JsonException e)
        {
            // Repeating a put does no harm, so half an answer is like none.
            return new TransferFailure(FailureKind.Network, "UnreadableAnswer", e.Message, e);
        }

        metrics.CountAccepted(call.Count - unprocessed, units);
        call.Units += units;
        if (unprocessed < call.Count)
        {
            retry.Succeeded(call);
        }

        left[..unprocessed].CopyTo(call.Pending);
        call.Count = unprocessed;
        return unprocessed == 0
            ? null
            : new TransferFailure(FailureKind.Throttled, "UnprocessedItems", $"{unprocessed} items of a batch were left unprocessed", null);
    }

    private void NoteTrouble(Call call, TransferFailure trouble)
    {
        call.FailuresInRow++;
        if (trouble.Kind == FailureKind.Throttled)
        {
            call.Throttled++;
            metrics.CountThrottled();
            throttle.SlowDown();
        }
        else if (trouble.Kind == FailureKind.Credentials && !call.CredentialsRefreshed)
        {
            http.RefreshCredentials();
        }
    }

    private MigrationException ToError(TransferFailure failure) => failure.Code == "ResourceNotFoundException"
        ? TargetErrors.TableNotFound(table, target.Endpoint, failure.Cause)
        : TargetErrors.GaveUp(failure, policy, target.Endpoint, $"Writing items into table '{table}'");
}
