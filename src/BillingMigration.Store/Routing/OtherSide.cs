using BillingMigration.Control;

namespace BillingMigration.Store;

/// <summary>
/// Opens the side that calls may go to next as soon as the route announces a switch, and makes its connections, so that the first calls there need not wait for that. Whoever switches is told.
/// </summary>
internal sealed class OtherSide(RoutedBackends backends, RouterPresence presence, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Connections that are made before they are needed.</summary>
    private const int Connections = 16;

    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource stop = new();
    private readonly object guard = new();
    private Task opening = Task.CompletedTask;
    private long begunFor;

    /// <summary>Told each answer to the question for the route; does not wait.</summary>
    public void Look(Route route)
    {
        if (route.State is not (RouteState.Shadow or RouteState.Draining))
        {
            return;
        }

        lock (guard)
        {
            if (begunFor != route.Epoch && opening.IsCompleted && !stop.IsCancellationRequested)
            {
                begunFor = route.Epoch;
                opening = Task.Run(() => OpenAsync(route));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task left;
        lock (guard)
        {
            stop.Cancel();
            left = opening;
        }

        await left.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task OpenAsync(Route route)
    {
        try
        {
            var side = route.Backend == StoreBackend.MySql ? StoreBackend.DynamoDb : StoreBackend.MySql;
            if (await backends.OpenAsync(side, stop.Token) is IWarmStore store)
            {
                await store.WarmAsync(Connections, presence.IsKnown, stop.Token);
            }

            if (route.Accepts)
            {
                await presence.SayReadyAsync(route, stop.Token);
            }
        }
        catch (Exception) when (!stop.IsCancellationRequested)
        {
            // Calls go to the side that they go to, and this one is tried again; a call that needs it names the trouble.
            await Task.Delay(AgainAfter, time, stop.Token);
            lock (guard)
            {
                begunFor = 0;
            }
        }
    }
}
