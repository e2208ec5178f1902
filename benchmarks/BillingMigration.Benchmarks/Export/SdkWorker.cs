namespace BillingMigration.Benchmarks.Export;

/// <summary>
/// A loop over the SDK's object model with the same items, as many requests under way, in a process of its own. The dictionaries are made
/// beforehand and the loop is warm before the clock starts: no source is read and nothing is encoded, so this is the most such a program can reach.
/// </summary>
internal static class SdkWorker
{
    private const int ReadyItemCount = 10_000;
    private const int WarmUpRequests = 4_000;
    private const int MeasuredRequests = 20_000;

    public static async Task RunAsync(string source, Uri endpoint, CancellationToken cancellationToken)
    {
        await using var migration = ExportWorker.Migration(source, endpoint, "billing");
        var items = await ReadyItems.ReadAsync(migration, ReadyItemCount, cancellationToken);
        var requests = items.Requests(migration.Table);
        await WriteAsync(WarmUpRequests);
        var before = ProcessFigures.OfThisProcess(0);
        var written = await WriteAsync(MeasuredRequests);
        var after = ProcessFigures.OfThisProcess(written);
        (after with { CpuSeconds = after.CpuSeconds - before.CpuSeconds, Seconds = after.Seconds - before.Seconds }).Print();

        async Task<long> WriteAsync(int count)
        {
            long sum = 0;
            var next = -1;
            await Task.WhenAll(Enumerable.Range(0, migration.Definition.Throttle.Writers).Select(async _ =>
            {
                for (int i; (i = Interlocked.Increment(ref next)) < count;)
                {
                    var request = requests[i % requests.Count];
                    await migration.Client.BatchWriteItemAsync(request, cancellationToken);
                    Interlocked.Add(ref sum, request.RequestItems[migration.Table].Count);
                }
            }));
            return sum;
        }
    }
}
