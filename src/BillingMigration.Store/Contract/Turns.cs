using System.Runtime.CompilerServices;

namespace BillingMigration.Store;

/// <summary>
/// Those who lost on the same row of a store go on one after the other: of many that read and decide at once only one can win, and each round of the others would be for nothing.
/// Others, on other machines, are not seen; against them it is tried again.
/// </summary>
internal sealed class Turns
{
    private static readonly ConditionalWeakTable<IBillingStore, Turns> OfStores = [];

    private readonly Dictionary<string, Queue> queues = [];

    public static Turns Of(IBillingStore store) => OfStores.GetOrCreateValue(store);

    /// <returns>The turn, which ends with its disposal.</returns>
    public async Task<IDisposable> TakeAsync(string row, CancellationToken cancellationToken)
    {
        Queue? queue;
        lock (queues)
        {
            if (!queues.TryGetValue(row, out queue))
            {
                queues[row] = queue = new Queue();
            }

            queue.Members++;
        }

        var turn = new Turn(this, row, queue);
        try
        {
            await queue.First.WaitAsync(cancellationToken);
        }
        catch
        {
            Leave(row, queue);
            throw;
        }

        return turn;
    }

    private void Leave(string row, Queue queue)
    {
        lock (queues)
        {
            if (--queue.Members == 0)
            {
                queues.Remove(row);
            }
        }
    }

    private sealed class Queue
    {
        public SemaphoreSlim First { get; } = new(1, 1);

        public int Members { get; set; }
    }

    private sealed class Turn(Turns turns, string row, Queue queue) : IDisposable
    {
        public void Dispose()
        {
            queue.First.Release();
            turns.Leave(row, queue);
        }
    }
}
