using System.Runtime.CompilerServices;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;

namespace BillingMigration.PowerShell;

/// <summary>The stores of each session: opened when one is first asked, kept until it is closed.</summary>
internal sealed class SessionStores : IAsyncDisposable
{
    private static readonly ConditionalWeakTable<MigrationSession, SessionStores> Known = [];

    private readonly SemaphoreSlim one = new(1);
    private IBillingStore? mySql, dynamoDb;

    /// <summary>The store of a backend; <paramref name="report"/> is called for each difference, when both are asked.</summary>
    public static async Task<IBillingStore> OpenAsync(MigrationSession session, BillingBackend backend, Action<StoreDifference> report, CancellationToken cancellationToken)
    {
        var stores = Known.GetValue(session, _ => new SessionStores());
        await stores.one.WaitAsync(cancellationToken);
        try
        {
            if (backend != BillingBackend.DynamoDb)
            {
                stores.mySql ??= await MySqlBillingStore.OpenAsync(session, cancellationToken);
            }

            if (backend != BillingBackend.MySql)
            {
                stores.dynamoDb ??= await DynamoDbBillingStore.OpenAsync(session, cancellationToken);
            }

            return backend switch
            {
                BillingBackend.MySql => stores.mySql!,
                BillingBackend.DynamoDb => stores.dynamoDb!,
                _ => new ComparingBillingStore(stores.mySql!, stores.dynamoDb!, report),
            };
        }
        finally
        {
            stores.one.Release();
        }
    }

    public static async ValueTask CloseAsync(MigrationSession session)
    {
        if (Known.TryGetValue(session, out var stores))
        {
            Known.Remove(session);
            await stores.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var store in new[] { mySql, dynamoDb }.OfType<IBillingStore>())
        {
            await store.DisposeAsync();
        }

        one.Dispose();
    }
}
