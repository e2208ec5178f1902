using System.Diagnostics;
using Amazon.DynamoDBv2.Model;
using MySqlConnector;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>Applications at a steady rate, and one row among them whose every change is looked for in the table: from COMMIT returning to being readable.</summary>
internal sealed class LagProbe(ExportedSample sample)
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);

    /// <param name="changesPerSecond">Row changes, in transactions of one tick each.</param>
    /// <returns>Milliseconds of each probe; the rate that was reached.</returns>
    public async Task<(List<double> Milliseconds, double ChangesPerSecond)> MeasureAsync(int changesPerSecond, TimeSpan duration, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        end.CancelAfter(duration);
        var changes = Task.Run(() => ChangeAsync((int)(changesPerSecond * Tick.TotalSeconds), end.Token), CancellationToken.None);
        var lags = await ProbeAsync(end.Token);
        return (lags, await changes);
    }

    private async Task<double> ChangeAsync(int perTick, CancellationToken cancellationToken)
    {
        var ids = await sample.NewestChargesAsync(5_000);
        await using var connection = await sample.Database.OpenAsync();
        using var timer = new PeriodicTimer(Tick);
        var started = Stopwatch.GetTimestamp();
        long count = 0;
        var next = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                // What the timer missed is made up for.
                var due = (long)(Stopwatch.GetElapsedTime(started) / Tick * perTick) - count;
                while (due > 0)
                {
                    var part = Enumerable.Range(0, (int)Math.Min(due, perTick)).Select(_ => ids[next++ % ids.Count]);
                    await using var command = new MySqlCommand($"UPDATE charge SET amount = amount + 0.0001 WHERE charge_id IN ({string.Join(",", part)})", connection);
                    var changed = await command.ExecuteNonQueryAsync(CancellationToken.None);
                    (count, due) = (count + changed, due - changed);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The minute is over.
        }

        return count / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private async Task<List<double>> ProbeAsync(CancellationToken cancellationToken)
    {
        var lags = new List<double>();
        await using var connection = await sample.Database.OpenAsync();
        for (var number = 1; !cancellationToken.IsCancellationRequested; number++)
        {
            await using var command = new MySqlCommand($"UPDATE billing_account SET balance = {number} WHERE account_id = 1", connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
            var committed = Stopwatch.GetTimestamp();
            // The last one is waited for beyond the end: it may be the slowest.
            while (Number(await sample.ItemAsync("ACCOUNT#1", "ACCOUNT")) != number)
            {
                ThrowIfStuck(committed);
            }

            lags.Add(Stopwatch.GetElapsedTime(committed).TotalMilliseconds);
        }

        return lags;
    }

    private static void ThrowIfStuck(long committed)
    {
        if (Stopwatch.GetElapsedTime(committed) > TimeSpan.FromMinutes(2))
        {
            throw new InvalidOperationException("A change has not arrived for two minutes.");
        }
    }

    private static int Number(Dictionary<string, AttributeValue> item) => (int)decimal.Parse(item["balance"].N, System.Globalization.CultureInfo.InvariantCulture);
}
