using System.Collections.Immutable;
using BillingMigration.Control;

namespace BillingMigration.Store.Cutover;

/// <summary>Waits for the word of every application that writes, and no longer than that is needed.</summary>
internal sealed class DrainWait(MigrationSession session, Lease lease)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    /// <param name="epoch">Of the route that lets calls wait.</param>
    /// <param name="most">When it is over without a word.</param>
    /// <param name="cancellationToken">Ends it before.</param>
    /// <returns>How many applications write, and which of them said nothing; none of either when there was no word to wait for.</returns>
    public async Task<(int All, ImmutableArray<RouterItem> Silent)> WaitAsync(long epoch, TimeSpan most, CancellationToken cancellationToken)
    {
        ImmutableArray<RouterItem> routers = [], silent = [];
        using var limit = new CancellationTokenSource(most, session.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            while (true)
            {
                routers = await session.Control.ListRoutersAsync(both.Token);
                silent = [.. routers.Where(r => r.Epoch < epoch)];
                if (!routers.IsEmpty && silent.IsEmpty)
                {
                    break;
                }

                await Task.Delay(Poll, session.Time, both.Token);
            }
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Nobody holds the route before any more.
        }

        // They are not waited for a second time. One that is there after all finds that a drain was without its word, and makes itself known again.
        foreach (var router in silent)
        {
            await session.Control.ForgetRouterAsync(lease, router.Id, epoch, cancellationToken);
        }

        return (routers.Length, silent);
    }
}
