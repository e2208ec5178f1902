using Polly;
using Polly.Retry;

namespace BillingMigration.Transfer;

/// <summary>One call with its attempts: what failed last, and how often in a row.</summary>
internal abstract class RetriedCall
{
    /// <summary>Why the last attempt did not finish the call; null when it did.</summary>
    public TransferFailure? Failure { get; set; }

    /// <summary>Failures since an attempt last made headway.</summary>
    public int FailuresInRow { get; set; }

    public long BegunAt { get; set; }

    /// <summary>New credentials were asked for; when they are refused too, that is final.</summary>
    public bool CredentialsRefreshed { get; set; }

    /// <summary>The wait that the throttle shows until the next attempt.</summary>
    public TransferWait Shown { get; set; }
}

/// <summary>
/// Tries calls again while that can help: throttling, 5xx, broken connections and silence by exponential backoff with full jitter, refused
/// credentials once with fresh ones. Gives up when nothing has succeeded, on any call, for the policy's time.
/// </summary>
internal sealed class RequestRetry
{
    private readonly ResiliencePipeline<RetriedCall> pipeline;
    private readonly RetryPolicy policy;
    private readonly TransferThrottle throttle;
    private readonly TransferMetrics metrics;
    private readonly TimeProvider time;
    private long succeededAt;

    public RequestRetry(RetryPolicy policy, TransferThrottle throttle, TransferMetrics metrics, TimeProvider time)
    {
        this.policy = policy;
        this.throttle = throttle;
        this.metrics = metrics;
        this.time = time;
        succeededAt = time.GetTimestamp();
        pipeline = new ResiliencePipelineBuilder<RetriedCall> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<RetriedCall>
            {
                MaxRetryAttempts = int.MaxValue,
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Result is { } call && ShouldRetry(call)),
                DelayGenerator = arguments => ValueTask.FromResult<TimeSpan?>(Delay(arguments.Outcome.Result!)),
                OnRetry = arguments =>
                {
                    ShowWait(arguments.Outcome.Result!);
                    return ValueTask.CompletedTask;
                },
            })
            .Build();
    }

    /// <summary>Runs attempts until one leaves no failure, or one that is final.</summary>
    /// <param name="call">State of the call; its failure, if any, is set on return.</param>
    /// <param name="attempt">Makes one attempt and sets <see cref="RetriedCall.Failure"/>.</param>
    public async ValueTask RunAsync<TCall>(TCall call, Func<TCall, CancellationToken, ValueTask> attempt, CancellationToken cancellationToken)
        where TCall : RetriedCall
    {
        call.BegunAt = time.GetTimestamp();
        await attempt(call, cancellationToken);
        if (call.Failure is null)
        {
            return;
        }

        await RetryAsync(call, attempt, cancellationToken);
    }

    /// <summary>Goes on after a first attempt that failed; the pipeline is given its failure, and costs nothing where there is none.</summary>
    private async ValueTask RetryAsync<TCall>(TCall call, Func<TCall, CancellationToken, ValueTask> attempt, CancellationToken cancellationToken)
        where TCall : RetriedCall
    {
        var attempted = true;
        try
        {
            await pipeline.ExecuteAsync(
                async (state, token) =>
                {
                    if (attempted)
                    {
                        attempted = false;
                        return (RetriedCall)state.Call;
                    }

                    state.Owner.HideWait(state.Call);
                    await state.Attempt(state.Call, token);
                    return (RetriedCall)state.Call;
                },
                (Owner: this, Call: call, Attempt: attempt),
                cancellationToken);
        }
        finally
        {
            HideWait(call);
        }
    }

    /// <summary>An attempt of any call made headway.</summary>
    public void Succeeded(RetriedCall call)
    {
        call.FailuresInRow = 0;
        Volatile.Write(ref succeededAt, time.GetTimestamp());
    }

    private bool ShouldRetry(RetriedCall call)
    {
        switch (call.Failure?.Kind)
        {
            case FailureKind.Throttled or FailureKind.Server or FailureKind.Network:
                var now = time.GetTimestamp();
                var since = Math.Max(call.BegunAt, Volatile.Read(ref succeededAt));
                return time.GetElapsedTime(since, now) < policy.GiveUpAfter;
            case FailureKind.Credentials when !call.CredentialsRefreshed:
                return true;
            default:
                return false;
        }
    }

    private TimeSpan Delay(RetriedCall call) => call.Failure!.Kind == FailureKind.Credentials
        ? TimeSpan.Zero
        : policy.Delay(Math.Max(1, call.FailuresInRow), policy.Random());

    private void ShowWait(RetriedCall call)
    {
        metrics.CountRetry();
        call.CredentialsRefreshed |= call.Failure!.Kind == FailureKind.Credentials;
        call.Shown = call.Failure.Kind == FailureKind.Throttled ? TransferWait.TableThrottled : TransferWait.Network;
        throttle.Enter(call.Shown);
    }

    private void HideWait(RetriedCall call)
    {
        if (call.Shown != TransferWait.None)
        {
            throttle.Leave(call.Shown);
            call.Shown = TransferWait.None;
        }
    }
}
