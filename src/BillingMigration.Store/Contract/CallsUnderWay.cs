namespace BillingMigration.Store;

/// <summary>Calls of a store that are not answered yet: a store that is closed answers them first.</summary>
internal sealed class CallsUnderWay
{
    private readonly object guard = new();
    private readonly TaskCompletionSource idle = new();
    private int count;
    private bool isClosed;

    /// <exception cref="ObjectDisposedException">The store is closed.</exception>
    public async Task<T> RunAsync<T>(Func<Task<T>> call)
    {
        lock (guard)
        {
            ObjectDisposedException.ThrowIf(isClosed, typeof(IBillingStore));
            count++;
        }

        try
        {
            return await call();
        }
        finally
        {
            bool isLast;
            lock (guard)
            {
                isLast = --count == 0 && isClosed;
            }

            if (isLast)
            {
                idle.TrySetResult();
            }
        }
    }

    /// <summary>Lets no further call begin, and waits for those that have begun.</summary>
    /// <returns>False: it was closed before.</returns>
    public async Task<bool> CloseAsync()
    {
        lock (guard)
        {
            if (isClosed)
            {
                return false;
            }

            isClosed = true;
            if (count == 0)
            {
                idle.TrySetResult();
            }
        }

        await idle.Task;
        return true;
    }
}
