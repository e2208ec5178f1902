using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Transfer;

namespace BillingMigration.Target;

/// <summary>Writes batches over the signed hot path. Many batches may be under way at the same time.</summary>
public sealed class BatchWriter : IBatchWriter, IDisposable
{
    private const int MostRequests = 256;
    private const string Unprocessed = "UnprocessedItems";

    private readonly DynamoDbHttp http;
    private readonly TargetConnection target;
    private readonly string table;
    private readonly BatchWriteRequest request;
    private readonly TransferThrottle throttle;
    private readonly TransferMetrics metrics;
    private readonly RequestRetry retry;
    private readonly RetryPolicy policy;
    private readonly TimeProvider time;
    private readonly TransferWindow window;
    private readonly HotKeys hotKeys;
    private readonly Func<Call, CancellationToken, ValueTask> attempt;
    private readonly Func<CancellationToken, ValueTask<CancellationToken>>? right;

    /// <param name="mostRequests">Requests under way at the same time, at most.</param>
    /// <param name="right">Asked right before each request: returns when it may be sent, with a token that breaks it off when it may not be any more.</param>
    public BatchWriter(
        TargetConnection target, string table, TransferThrottle throttle, TransferMetrics metrics, RetryPolicy policy, TimeProvider time,
        Func<CancellationToken, ValueTask<CancellationToken>>? right = null, int mostRequests = MostRequests)
    {
        window = new TransferWindow(mostRequests, policy.AttemptTimeout, time);
        hotKeys = new HotKeys(time);
        this.right = right;
        this.target = target;
        this.table = table;
        this.throttle = throttle;
        this.metrics = metrics;
        this.time = time;
        this.policy = policy;
        request = new BatchWriteRequest(table);
        http = target.OpenHttp(policy, time);
        retry = new RequestRetry(policy, throttle, metrics, time);
        attempt = AttemptAsync;
    }

    /// <summary>One call: the items of a batch, or a part of it, that are still to be written.</summary>
    private sealed class Call(ItemBatch batch, int[] pending, int count, Action? onHeldBack) : RetriedCall
    {
        public Action? OnHeldBack => onHeldBack;

        public ItemBatch Batch { get; } = batch;

        public int[] Pending { get; } = pending;

        public int Count { get; set; } = count;

        public double Units { get; set; }

        /// <summary>When the last request that was sent and got no answer was given up; null: each got one.</summary>
        public long? UnansweredAt { get; set; }

        /// <summary>Of the last request, items that the table left: the first of those pending.</summary>
        public int Left { get; set; }

        public int Requests { get; set; }

        public int Throttled { get; set; }
    }

    public async ValueTask<BatchWriteResult> WriteAsync(ItemBatch batch, CancellationToken cancellationToken, Action? onHeldBack = null)
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

        var call = new Call(batch, all, all.Length, onHeldBack);
        await RunAsync(call, cancellationToken);
        if (call.Failure is null)
        {
            return new BatchWriteResult(call.Units, call.Requests, call.Throttled, []);
        }

        var rejected = ImmutableArray.CreateBuilder<RejectedItem>();
        var total = await IsolateAsync(call, rejected, cancellationToken);
        return total with { Rejected = rejected.DrainToImmutable() };
    }

    public void Dispose() => http.Dispose();

    /// <summary>Attempts until the end, and until a request that was sent and not answered cannot be at work in the service any more: it would put its items over newer ones.</summary>
    private async ValueTask RunAsync(Call call, CancellationToken cancellationToken)
    {
        await retry.RunAsync(call, attempt, cancellationToken);
        if (call.UnansweredAt is { } unanswered && policy.SettleTime - time.GetElapsedTime(unanswered) is { Ticks: > 0 } left)
        {
            await Task.Delay(left, time, cancellationToken);
        }
    }

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
            var inner = new Call(call.Batch, part, part.Length, call.OnHeldBack);
            await RunAsync(inner, cancellationToken);
            var result = await IsolateAsync(inner, rejected, cancellationToken);
            total = new BatchWriteResult(
                total.ConsumedWriteUnits + result.ConsumedWriteUnits, total.Requests + result.Requests, total.ThrottledRequests + result.ThrottledRequests, []);
        }

        return total;
    }

    /// <summary>Sends what is pending, in as many requests as the link is better served by, until one fails.</summary>
    private async ValueTask AttemptAsync(Call call, CancellationToken cancellationToken)
    {
        do
        {
            await AttemptPartAsync(call, cancellationToken);
        }
        while (call.Failure is null && call.Count > 0);
    }

    private async ValueTask AttemptPartAsync(Call call, CancellationToken cancellationToken)
    {
        var sent = PartOf(call, out var size);
        var estimate = throttle.EstimateUnits(sent, size);
        await throttle.AcquireAsync(sent, size, estimate, cancellationToken);
        var body = ArrayPool<byte>.Shared.Rent(size);
        var count = call.Count;
        var units = call.Units;
        try
        {
            request.Write(call.Batch, call.Pending.AsSpan(0, sent), body);
            await SendAsync(call, sent, body.AsMemory(0, size), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(body);
            throttle.Settle(sent, count - call.Count, estimate, call.Units - units);
        }
    }

    /// <summary>How many of the pending items the next request takes: all, or as many as pass within seconds, one at least.</summary>
    private int PartOf(Call call, out int size)
    {
        var most = window.MostBytes;
        var count = call.Count;
        while ((size = request.Length(call.Batch, call.Pending.AsSpan(0, count))) > most && count > 1)
        {
            count = (count + 1) / 2;
        }

        return count;
    }

    private async ValueTask SendAsync(Call call, int sent, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var pass = await window.EnterAsync(body.Length, cancellationToken);
        var end = TransferWindow.End.Broken;
        try
        {
            var held = right is null ? CancellationToken.None : await right(cancellationToken);
            pass = pass with { StartedAt = time.GetTimestamp() };
            end = await SendNowAsync(call, sent, body, pass, held, cancellationToken);
        }
        finally
        {
            window.Leave(pass, end);
        }
    }

    private async ValueTask<TransferWindow.End> SendNowAsync(Call call, int sent, ReadOnlyMemory<byte> body, TransferWindow.Pass pass, CancellationToken held, CancellationToken cancellationToken)
    {
        using var both = held.CanBeCanceled ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, held) : null;
        var end = TransferWindow.End.Broken;
        call.Requests++;
        try
        {
            using var reply = await http.SendAsync("BatchWriteItem", body, pass.Time, both?.Token ?? cancellationToken);
            end = TransferWindow.End.Answered;
            call.Failure = reply.Status == 200 ? ReadReply(call, sent, reply) : TransferFailure.FromReply(reply);
        }
        catch (OperationCanceledException e) when (held.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            call.Failure = new TransferFailure(FailureKind.Network, "LeasePaused", "The control table could not be reached, and nothing is written meanwhile.", e);
        }
        catch (Exception e) when (TransferFailure.FromException(e) is { } failure)
        {
            call.Failure = failure;
            end = e is TimeoutException ? TransferWindow.End.TimedOut : end;
        }

        metrics.CountRequest(body.Length, time.GetElapsedTime(pass.StartedAt));
        if (call.Failure is { } trouble)
        {
            call.UnansweredAt = trouble.Kind == FailureKind.Network ? time.GetTimestamp() : call.UnansweredAt;
            NoteTrouble(call, sent, trouble);
        }

        return end;
    }

    private TransferFailure? ReadReply(Call call, int sent, DynamoDbReply reply)
    {
        Span<int> left = stackalloc int[ItemBatch.MaxItems];
        int unprocessed;
        double units;
        try
        {
            (unprocessed, units) = BatchWriteRequest.Read(reply.Body, call.Batch, call.Pending.AsSpan(0, sent), left);
        }
        catch (JsonException e)
        {
            // Repeating a put does no harm, so half an answer is like none.
            return new TransferFailure(FailureKind.Network, "UnreadableAnswer", e.Message, e);
        }

        metrics.CountAccepted(sent - unprocessed, units);
        call.Units += units;
        if (unprocessed < sent)
        {
            retry.Succeeded(call);
        }

        left[..unprocessed].CopyTo(call.Pending);
        call.Pending.AsSpan(sent, call.Count - sent).CopyTo(call.Pending.AsSpan(unprocessed));
        call.Count -= sent - unprocessed;
        call.Left = unprocessed;
        return unprocessed == 0
            ? null
            : new TransferFailure(FailureKind.Throttled, Unprocessed, $"{unprocessed} items of a batch were left unprocessed", null);
    }

    private void NoteTrouble(Call call, int sent, TransferFailure trouble)
    {
        call.FailuresInRow++;
        if (trouble.Kind == FailureKind.Throttled)
        {
            call.Throttled++;
            metrics.CountThrottled();
            var left = trouble.Code == Unprocessed ? call.Left : sent;
            if (hotKeys.Strike(call.Pending.Take(left).Select(index => BatchWriteRequest.PartitionKeyOf(call.Batch, index))))
            {
                throttle.SlowDown();
            }

            call.OnHeldBack?.Invoke();
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
