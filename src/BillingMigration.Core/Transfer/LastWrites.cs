namespace BillingMigration.Transfer;

/// <summary>What is under way when a job's <c>-MaxDuration</c> is over may still end, for a moment: in an outage it does not, and the job ends without it, with the checkpoint that it has.</summary>
internal sealed class LastWrites : IDisposable
{
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource over;
    private readonly CancellationTokenRegistration registration;

    /// <param name="stopReading">Nothing more is begun from its cancellation on.</param>
    public LastWrites(TimeProvider time, CancellationToken stopReading)
    {
        over = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        registration = stopReading.Register(() => over.CancelAfter(Moment));
    }

    /// <summary>Breaks off what has not ended by then.</summary>
    public CancellationToken Over => over.Token;

    /// <summary>True for the error of a job that was broken off by it, and by nothing else.</summary>
    public bool Ended(Exception? error, CancellationToken cancelled, CancellationToken lost) =>
        error is OperationCanceledException && over.IsCancellationRequested && !cancelled.IsCancellationRequested && !lost.IsCancellationRequested;

    public void Dispose()
    {
        registration.Dispose();
        over.Dispose();
    }
}
