namespace BillingMigration.Store;

/// <summary>One at a time, in the order in which they came. Whoever waits goes on inside the call that lets it in, on no thread of its own.</summary>
internal sealed class FairLock
{
    private readonly Queue<TaskCompletionSource> waiting = new();
    private bool isTaken;

    /// <returns>Disposed of when the next may come.</returns>
    public async Task<IDisposable> TakeAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource turn;
        lock (waiting)
        {
            if (!isTaken)
            {
                isTaken = true;
                return new Holder(this);
            }

            waiting.Enqueue(turn = new TaskCompletionSource());
        }

        using var left = cancellationToken.UnsafeRegister(static of => ((TaskCompletionSource)of!).TrySetCanceled(), turn);
        await turn.Task;
        return new Holder(this);
    }

    private void Release()
    {
        while (true)
        {
            TaskCompletionSource? next;
            lock (waiting)
            {
                if (!waiting.TryDequeue(out next))
                {
                    isTaken = false;
                    return;
                }
            }

            // One that has left lets the next one in.
            if (next.TrySetResult())
            {
                return;
            }
        }
    }

    private sealed class Holder(FairLock of) : IDisposable
    {
        private int isReleased;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref isReleased, 1) == 0)
            {
                of.Release();
            }
        }
    }
}
