using BillingMigration.Control;

namespace BillingMigration.Store;

/// <summary>The stores of both sides, each opened when it is first needed: that one of them is gone is no trouble while calls go to the other.</summary>
/// <param name="open">Opens a side.</param>
internal sealed class RoutedBackends(Func<StoreBackend, CancellationToken, Task<IBillingStore>> open) : IAsyncDisposable
{
    private readonly SemaphoreSlim one = new(1);
    private readonly IBillingStore?[] stores = new IBillingStore?[2];

    public ValueTask<IBillingStore> OpenAsync(StoreBackend backend, CancellationToken cancellationToken) =>
        Find(backend) is { } store ? ValueTask.FromResult(store) : new ValueTask<IBillingStore>(OpenOnceAsync(backend, cancellationToken));

    public async ValueTask DisposeAsync()
    {
        await one.WaitAsync();
        foreach (var store in stores)
        {
            if (store is not null)
            {
                await store.DisposeAsync();
            }
        }

        one.Dispose();
    }

    private IBillingStore? Find(StoreBackend backend) => Volatile.Read(ref stores[(int)backend]);

    private async Task<IBillingStore> OpenOnceAsync(StoreBackend backend, CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            if (Find(backend) is { } opened)
            {
                return opened;
            }

            var store = await open(backend, cancellationToken);
            Volatile.Write(ref stores[(int)backend], store);
            return store;
        }
        finally
        {
            one.Release();
        }
    }
}
