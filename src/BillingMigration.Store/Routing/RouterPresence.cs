using BillingMigration.Control;

namespace BillingMigration.Store;

/// <summary>
/// Makes known that this store writes, before it does, and that its writes wait, as soon as they do and all that it has sent is answered. Whoever switches then need not wait until every lease
/// has run out. A store that only reads says nothing. Whoever has not said that its writes wait is waited for until it cannot write any more, and forgotten: it makes itself known again.
/// </summary>
/// <param name="save">Says it.</param>
/// <param name="saveReady">Says that the side is open that calls may go to next, by id and epoch of the route that announced it.</param>
/// <param name="remove">Takes it back, by id.</param>
/// <param name="find">What is known of it, by id.</param>
/// <param name="time">For what may still be at work.</param>
internal sealed class RouterPresence(
    Func<RouterItem, CancellationToken, Task> save, Func<string, long, CancellationToken, Task> saveReady, Func<string, CancellationToken, Task> remove,
    Func<string, CancellationToken, Task<RouterItem?>> find, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly string id = Guid.NewGuid().ToString("N")[..12];
    private readonly SemaphoreSlim one = new(1);
    private readonly object guard = new();
    private Known? known;
    private Route? last;
    private int underWay;
    private bool saying;
    private long? unsettledSince;
    private long ready;

    /// <summary>What whoever switches knows of this store.</summary>
    /// <param name="Since">When it was said, by the monotonic clock.</param>
    /// <param name="Epoch">As <see cref="RouterItem.Epoch"/>, and since then no drain was either.</param>
    private sealed record Known(long Since, long Epoch);

    /// <summary>True when this store writes.</summary>
    public bool IsKnown => Volatile.Read(ref known) is not null;

    /// <summary>True when writes may go by this answer: whoever changes the route knows of this store.</summary>
    /// <param name="route">The answer.</param>
    /// <param name="asked">When it was asked for.</param>
    public bool Covers(Route route, long asked) => Volatile.Read(ref known) is { } now && asked >= now.Since && Knows(route);

    /// <summary>Says that this store writes, unless that is known. A route that is asked for afterwards may be written by.</summary>
    /// <param name="route">As it was before.</param>
    /// <param name="cancellationToken">Nothing is said, or nobody knows.</param>
    /// <exception cref="MigrationException">The control table cannot be reached or refuses.</exception>
    public async Task MakeKnownAsync(Route route, CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            if (!Knows(route))
            {
                await SaveAsync(route.Accepts ? route.Epoch : route.Epoch - 1, cancellationToken);
            }
        }
        finally
        {
            one.Release();
        }
    }

    /// <summary>An attempt to write begins.</summary>
    /// <param name="mayPass">Whether its backend accepts writes at that moment.</param>
    public IGatedWrite Begin(Func<bool> mayPass)
    {
        lock (guard)
        {
            underWay++;
        }

        return new Attempt(this, mayPass);
    }

    /// <summary>Asks whether every switch since has waited for what this store wrote under an epoch. A switch that goes on without its word forgets it, and it makes itself known again under a later one.</summary>
    public async Task<bool> WasWaitedForAsync(long epoch)
    {
        using var limit = new CancellationTokenSource(Farewell, time);
        try
        {
            return await find(id, limit.Token) is { } item && item.Epoch <= epoch + 1;
        }
        catch (Exception)
        {
            return false;
        }
    }

    /// <summary>Told each answer, after it is what attempts go by.</summary>
    public void Look(Route route)
    {
        lock (guard)
        {
            last = route;
            if (route.Accepts && known is { } now && route.Epoch == now.Epoch + 1)
            {
                // No drain was between.
                known = now with { Epoch = route.Epoch };
            }
        }

        SayThatWritesWait();
    }

    /// <summary>Says that the side is open that calls may go to next; a store that has not written yet says it when it does.</summary>
    /// <param name="route">That announced it.</param>
    /// <param name="cancellationToken">Nobody knows whether it was said.</param>
    public async Task SayReadyAsync(Route route, CancellationToken cancellationToken)
    {
        Volatile.Write(ref ready, route.Epoch);
        if (!IsKnown)
        {
            // One that is being said now was written before this. A store that is known is not waited for: its word that writes wait is not kept back.
            await one.WaitAsync(cancellationToken);
            one.Release();
        }

        if (IsKnown)
        {
            await saveReady(id, route.Epoch, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (await one.WaitAsync(Farewell) && known is not null && underWay == 0 && IsSettled)
        {
            try
            {
                using var limit = new CancellationTokenSource(Farewell, time);
                await remove(id, limit.Token);
            }
            catch (Exception)
            {
                // It is forgotten at the next switch.
            }
        }
    }

    private bool IsSettled => unsettledSince is not { } since || time.GetElapsedTime(since) >= RouteTimes.SettleTime;

    private bool Knows(Route route) => Volatile.Read(ref known) is { } now && route.Epoch <= now.Epoch + 1;

    /// <summary>While the route lets calls wait and nothing is under way. An attempt counts itself before it looks at the route, and the route is set before this looks at the count.</summary>
    private void SayThatWritesWait()
    {
        lock (guard)
        {
            if (saying || underWay > 0 || !IsSettled || last is not { Accepts: false } draining || known is not { } now || now.Epoch >= draining.Epoch)
            {
                return;
            }

            saying = true;
            _ = SayOnceAsync(draining.Epoch);
        }

        async Task SayOnceAsync(long epoch)
        {
            await Task.Yield();
            try
            {
                await one.WaitAsync();
                try
                {
                    await SaveAsync(epoch, CancellationToken.None);
                }
                finally
                {
                    one.Release();
                }
            }
            catch (Exception)
            {
                // At the next answer again; without it whoever switches waits until this store's lease has run out.
            }
            finally
            {
                lock (guard)
                {
                    saying = false;
                }
            }
        }
    }

    private void End(bool isSettled)
    {
        lock (guard)
        {
            underWay--;
            unsettledSince = isSettled ? unsettledSince : time.GetTimestamp();
        }

        SayThatWritesWait();
    }

    /// <param name="epoch">Up to which no drain is without its word.</param>
    /// <param name="cancellationToken">Nobody knows whether it was said.</param>
    private async Task SaveAsync(long epoch, CancellationToken cancellationToken)
    {
        await save(new RouterItem(id, LeaseHolder.Current.ToString(), epoch, Volatile.Read(ref ready)), cancellationToken);
        lock (guard)
        {
            // What was asked for before it stood there was answered to one that might not be known.
            known = new Known(time.GetTimestamp(), epoch);
        }
    }

    private sealed class Attempt(RouterPresence presence, Func<bool> mayPass) : IGatedWrite
    {
        private bool isSent;
        private bool isAnswered;

        public void Pass()
        {
            if (!mayPass())
            {
                throw new NotRoutedException();
            }

            isSent = true;
        }

        public void Answered() => isAnswered = true;

        public void Dispose() => presence.End(isSettled: isAnswered || !isSent);
    }
}
