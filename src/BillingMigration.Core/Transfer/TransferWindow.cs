namespace BillingMigration.Transfer;

/// <summary>
/// How much is under way to the table at the same time, and how long an answer may take. Both follow what the link shows: requests under way grow by each quick answer, and fall when
/// answers come late or not at all, as TCP's congestion window does; an attempt's time is long enough for the bytes that are under way at the throughput measured.
/// Thread-safe.
/// </summary>
internal sealed class TransferWindow
{
    private const int FirstRequests = 4;
    private const double Decrease = 0.7;

    /// <summary>Bytes per second assumed until the first answer, and below which no link is thought to be.</summary>
    private const double AssumedRate = 64 * 1024;
    private const double LowestRate = 8 * 1024;

    /// <summary>An attempt may take so many times as long as a small one, however much is under way.</summary>
    private const int LongestAttempt = 6;

    private const int LeastBytes = 64 * 1024;
    private const int FirstBytes = 256 * 1024;

    /// <summary>The limit of a BatchWriteItem request: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html</summary>
    private const int MostRequestBytes = 16 * 1024 * 1024;

    // An answer is late behind this, on a link whose quickest answer is not itself a third of it.
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private readonly Queue<TaskCompletionSource> waiting = new();
    private readonly int most;
    private readonly TimeSpan attempt;
    private readonly TimeProvider time;
    private double limit;
    private bool isStarting = true;
    private int underWay;
    private long bytesUnderWay;
    private double rate = AssumedRate;
    private bool isMeasured;
    private TimeSpan quickest = TimeSpan.MaxValue;
    private long changedAt;

    /// <param name="most">Requests under way at most.</param>
    /// <param name="attempt">Time of an attempt whose bytes do not count.</param>
    public TransferWindow(int most, TimeSpan attempt, TimeProvider time)
    {
        this.most = most;
        this.attempt = attempt;
        this.time = time;
        limit = Math.Min(most, FirstRequests);
        changedAt = time.GetTimestamp();
    }

    /// <summary>How an attempt ended, as far as the link is concerned.</summary>
    public enum End
    {
        /// <summary>An answer came.</summary>
        Answered,

        /// <summary>No answer within its time.</summary>
        TimedOut,

        /// <summary>Broken off, by the network or by the caller: says nothing of the throughput. That it had not come when it was late already is told.</summary>
        Broken,
    }

    /// <summary>One request under way.</summary>
    /// <param name="StartedAt">Timestamp of the time provider.</param>
    /// <param name="Ahead">Bytes under way when it was begun, its own included.</param>
    /// <param name="Time">How long an answer may take.</param>
    public readonly record struct Pass(int Bytes, long StartedAt, long Ahead, TimeSpan Time);

    /// <summary>Requests that may be under way now.</summary>
    public int Limit
    {
        get
        {
            lock (gate)
            {
                return (int)limit;
            }
        }
    }

    /// <summary>Size of a request that passes within seconds: a larger batch is better sent in parts.</summary>
    public int MostBytes
    {
        get
        {
            lock (gate)
            {
                return isMeasured ? (int)Math.Clamp(rate * Late.TotalSeconds, LeastBytes, MostRequestBytes) : FirstBytes;
            }
        }
    }

    /// <summary>Waits until one more request may be sent; each is followed by <see cref="Leave"/>.</summary>
    public async ValueTask<Pass> EnterAsync(int bytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            TaskCompletionSource turn;
            lock (gate)
            {
                if (underWay < (int)limit)
                {
                    underWay++;
                    bytesUnderWay += bytes;
                    return new Pass(bytes, time.GetTimestamp(), bytesUnderWay, AttemptTime());
                }

                turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                waiting.Enqueue(turn);
            }

            try
            {
                await turn.Task.WaitAsync(cancellationToken);
            }
            catch
            {
                // A turn that came at the same moment belongs to the next one.
                if (!turn.TrySetCanceled(CancellationToken.None))
                {
                    lock (gate)
                    {
                        WakeNext();
                    }
                }

                throw;
            }
        }
    }

    public void Leave(in Pass pass, End end)
    {
        lock (gate)
        {
            underWay--;
            bytesUnderWay -= pass.Bytes;
            var took = time.GetElapsedTime(pass.StartedAt);
            switch (end)
            {
                case End.Answered:
                    Learn(pass, took);
                    break;
                case End.TimedOut:
                    rate = Math.Max(LowestRate, rate / 2);
                    Narrow(0.5, pass);
                    break;
                case End.Broken when IsLate(took):
                    // A way that breaks again and again must have fewer under way, or none of them is ever through.
                    Narrow(Decrease, pass);
                    break;
            }

            WakeNext();
        }
    }

    private TimeSpan AttemptTime()
    {
        var whole = attempt + TimeSpan.FromSeconds(2 * bytesUnderWay / rate);
        var longest = attempt * LongestAttempt;
        return whole < longest ? whole : longest;
    }

    private void Learn(in Pass pass, TimeSpan took)
    {
        quickest = took < quickest ? took : quickest * 1.01;

        // What was ahead of it and itself came through in the time it took.
        var sample = pass.Ahead / Math.Max(took.TotalSeconds, 0.001);
        rate = isMeasured ? 0.8 * rate + 0.2 * sample : sample;
        rate = Math.Max(LowestRate, rate);
        isMeasured = true;
        if (IsLate(took))
        {
            Narrow(Decrease, pass);
        }
        else if (took < Max(Quick, quickest * 2))
        {
            limit = Math.Min(most, limit + (isStarting ? 1 : 1 / limit));
        }
    }

    private bool IsLate(TimeSpan took) => took > Late && (quickest == TimeSpan.MaxValue || took > quickest * 3);

    /// <summary>Requests that were under way together come late together: they count once.</summary>
    private void Narrow(double factor, in Pass pass)
    {
        isStarting = false;
        if (pass.StartedAt < changedAt)
        {
            return;
        }

        limit = Math.Max(1, limit * factor);
        changedAt = time.GetTimestamp();
    }

    private void WakeNext()
    {
        for (var room = (int)limit - underWay; room > 0 && waiting.TryDequeue(out var next);)
        {
            if (next.TrySetResult())
            {
                room--;
            }
        }
    }

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
