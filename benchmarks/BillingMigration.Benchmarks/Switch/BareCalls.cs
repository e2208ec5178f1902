using System.Diagnostics;
using System.Globalization;
using BillingMigration.Snapshot;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Switch;

/// <summary>
/// What DynamoDB Local carries of the application's calls with nothing else at work, on a table that nobody migrates. It is measured first: its Java is compiled by then, as a service's that has been at work for a while.
/// </summary>
internal static class BareCalls
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Measured = TimeSpan.FromSeconds(10);

    public static async Task RunAsync(SampleMigration migration, CancellationToken cancellationToken)
    {
        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await using (var table = await DynamoDbBillingStore.OpenAsync(session, cancellationToken))
        await using (var calls = new SteadyCalls(table, SteadyCalls.Unlimited))
        {
            await Task.Delay(WarmUp, cancellationToken);
            var (before, began) = (calls.Made.Count, Stopwatch.GetTimestamp());
            await Task.Delay(Measured, cancellationToken);
            Console.WriteLine(((calls.Made.Count - before) / Stopwatch.GetElapsedTime(began).TotalSeconds).ToString(CultureInfo.InvariantCulture));
        }

        await migration.DropAsync();
    }
}
