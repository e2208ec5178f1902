using BillingMigration.Control;

namespace BillingMigration.Store;

/// <summary>Makes reads a second time on the table, after their callers have their answers from the source, and reports what differs and goes on to differ.</summary>
internal sealed class ShadowReads(RoutedBackends backends, RoutingOptions options, TimeProvider time) : IAsyncDisposable
{
    /// <summary>What was written a moment ago is on its way to the table: a difference is looked at again so often.</summary>
    private const int MostLooks = 5;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource stop = new();
    private readonly HashSet<Task> running = [];

    /// <summary>Begins to compare, unless enough is being compared. Nobody waits for it.</summary>
    public void Begin<T>(string call, T answer, TimeSpan took, Func<IBillingStore, CancellationToken, Task<T>> read, Func<string, T, T, StoreDifference?> compare)
    {
        if (options.OnDifference is null && options.OnReading is null)
        {
            return;
        }

        lock (running)
        {
            if (running.Count < options.MostCompared && !stop.IsCancellationRequested)
            {
                var task = Task.Run(() => CompareAsync(call, answer, took, read, compare));
                running.Add(task);
                _ = task.ContinueWith(Forget, TaskScheduler.Default);
            }
        }
    }

    public static StoreDifference? Compare(string call, BillingRecord? one, BillingRecord? two) => Compare(call, one is null ? [] : [one], two is null ? [] : (IReadOnlyList<BillingRecord>)[two]);

    public static StoreDifference? Compare(string call, RecordPage one, RecordPage two) => Compare(call, one.Records, two.Records);

    public static StoreDifference? Compare(string call, IReadOnlyList<TotalRow> one, IReadOnlyList<TotalRow> two) => AnswerDifference.Of(call, one, two);

    public async ValueTask DisposeAsync()
    {
        Task[] left;
        lock (running)
        {
            stop.Cancel();
            left = [.. running];
        }

        await Task.WhenAll(left).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private static StoreDifference? Compare(string call, IReadOnlyList<BillingRecord> one, IReadOnlyList<BillingRecord> two) => AnswerDifference.Of(call, one, two);

    private void Forget(Task task)
    {
        lock (running)
        {
            running.Remove(task);
        }
    }

    private async Task CompareAsync<T>(string call, T answer, TimeSpan took, Func<IBillingStore, CancellationToken, Task<T>> read, Func<string, T, T, StoreDifference?> compare)
    {
        try
        {
            var table = await backends.OpenAsync(StoreBackend.DynamoDb, stop.Token);
            var source = await backends.OpenAsync(StoreBackend.MySql, stop.Token);
            var began = time.GetTimestamp();
            var other = await read(table, stop.Token);
            options.OnReading?.Invoke(new ShadowReading(call, took, time.GetElapsedTime(began)));
            var difference = compare(call, answer, other);
            for (var look = 1; difference is not null && look < MostLooks; look++)
            {
                await Task.Delay(Pause, time, stop.Token);
                difference = compare(call, await read(source, stop.Token), await read(table, stop.Token));
            }

            if (difference is not null)
            {
                options.OnDifference?.Invoke(difference);
            }
        }
        catch (Exception e) when (!stop.IsCancellationRequested)
        {
            options.OnDifference?.Invoke(new StoreDifference(call, null, [], $"the first answers, the second {AnswerDifference.Name(e)}"));
        }
        catch (OperationCanceledException)
        {
            // The store is closed.
        }
    }
}
