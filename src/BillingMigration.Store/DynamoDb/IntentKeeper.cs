namespace BillingMigration.Store.DynamoDb;

/// <summary>Looks from time to time for large units that were left lying, and finishes them.</summary>
internal sealed class IntentKeeper : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly Task running;

    public IntentKeeper(LargeUnits units, TimeSpan period, TimeProvider time) => running = RunAsync(units, period, time);

    public async ValueTask DisposeAsync()
    {
        stop.Cancel();
        await running;
        stop.Dispose();
    }

    private async Task RunAsync(LargeUnits units, TimeSpan period, TimeProvider time)
    {
        using var timer = new PeriodicTimer(period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop.Token))
            {
                try
                {
                    await units.FinishOthersAsync(all: false, stop.Token);
                }
                catch (Exception) when (!stop.IsCancellationRequested)
                {
                    // Whoever calls the store hears of trouble by himself; the next round tries again.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The store is closed; what it had begun is finished by another.
        }
    }
}
