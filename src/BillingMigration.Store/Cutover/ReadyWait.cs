using BillingMigration.Control;

namespace BillingMigration.Store.Cutover;

/// <summary>Gives applications time to open the table before they need it. One that does not say that it has is no reason to wait without end.</summary>
internal static class ReadyWait
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(5);

    /// <param name="session">Of the migration.</param>
    /// <param name="shadow">The route that announces the switch.</param>
    /// <param name="cancellationToken">Ends it before.</param>
    public static async Task WaitAsync(MigrationSession session, Route shadow, CancellationToken cancellationToken)
    {
        var began = session.Time.GetTimestamp();
        while (true)
        {
            var routers = await session.Control.ListRoutersAsync(cancellationToken);
            var waited = session.Time.GetElapsedTime(began);
            if (routers.IsEmpty ? waited >= shadow.Lease * 2 : waited >= Most || routers.All(r => r.Ready >= shadow.Epoch))
            {
                return;
            }

            await Task.Delay(Poll, session.Time, cancellationToken);
        }
    }
}
