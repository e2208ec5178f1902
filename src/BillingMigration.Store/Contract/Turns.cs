using System.Runtime.CompilerServices;

namespace BillingMigration.Store;

/// <summary>
/// Those who lost on the same row of a store go on one after the other: of many that read and decide at once only one can win, and each round of the others would be for nothing.
/// Others, on other machines, are not seen; against them it is tried again.
/// </summary>
internal sealed class Turns
{
    private static readonly ConditionalWeakTable<IBillingStore, Turns> OfStores = [];

    private readonly Dictionary<string, (FairLock Lock, int Members)> rows = [];

    public static Turns Of(IBillingStore store) => OfStores.GetOrCreateValue(store);

    /// <returns>The turn, which ends with its disposal.</returns>
    public async Task<IDisposable> TakeAsync(string row, CancellationToken cancellationToken)
    {
        FairLock one;
        lock (rows)
        {
            var (known, members) = rows.GetValueOrDefault(row, (new FairLock(), 0));
            rows[row] = (one = known, members + 1);
        }

        try
        {
            return new Turn(this, row, await one.TakeAsync(cancellationToken));
        }
        catch
        {
            Leave(row);
            throw;
        }
    }

    private void Leave(string row)
    {
        lock (rows)
        {
            var (one, members) = rows[row];
            if (members == 1)
            {
                rows.Remove(row);
            }
            else
            {
                rows[row] = (one, members - 1);
            }
        }
    }

    private sealed class Turn(Turns turns, string row, IDisposable holder) : IDisposable
    {
        public void Dispose()
        {
            turns.Leave(row);
            holder.Dispose();
        }
    }
}
