using System.Diagnostics;
using System.Globalization;
using Amazon.DynamoDBv2.Model;
using MySqlConnector;

namespace BillingMigration.Benchmarks.Lookups;

/// <summary>Bills that change their state and charges that change their amount, at a steady rate, and one bill whose charge is looked at: from COMMIT returning to its key being the new one.</summary>
internal sealed class LookupTraffic(LookupTable table)
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);
    /// <summary>What comes before is the follower's start: its code is compiled, and what waited for it is caught up with.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    private long bills, charges;

    /// <returns>Milliseconds of each probe, and the rates that were reached.</returns>
    public async Task<(List<double> Milliseconds, double BillsPerSecond, double ChargesPerSecond)> MeasureAsync(
        int billsPerSecond, int chargesPerSecond, TimeSpan duration, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        end.CancelAfter(WarmUp + duration);
        var started = Stopwatch.GetTimestamp();
        var changes = Task.Run(() => ChangeAsync((int)(billsPerSecond * Tick.TotalSeconds), (int)(chargesPerSecond * Tick.TotalSeconds), end.Token), CancellationToken.None);
        var lags = await ProbeAsync(end.Token);
        await changes;
        return (lags, bills / (WarmUp + duration).TotalSeconds, charges / (WarmUp + duration).TotalSeconds);
    }

    private async Task ChangeAsync(int billsPerTick, int chargesPerTick, CancellationToken cancellationToken)
    {
        var random = new Random(1);
        await using var connection = await table.Database.OpenAsync();
        using var timer = new PeriodicTimer(Tick);
        var started = Stopwatch.GetTimestamp();
        try
        {
            for (long done = 0; ;)
            {
                await timer.WaitForNextTickAsync(cancellationToken);
                // What the timer missed is made up for.
                for (var due = (long)(Stopwatch.GetElapsedTime(started) / Tick); done < due; done++)
                {
                    // The first bill is the probe's.
                    string Some(int count, int most) => string.Join(",", Enumerable.Range(0, count).Select(_ => random.Next(1 + LookupTable.ChargesPerBill, most)));
                    await ExecuteAsync(connection, string.Create(CultureInfo.InvariantCulture, $"UPDATE bill SET state = 'S{done % 1000}' WHERE bill_id IN ({Some(billsPerTick, table.Bills)})"));
                    await ExecuteAsync(connection, $"UPDATE charge SET amount = amount + 0.0001 WHERE charge_id IN ({Some(chargesPerTick, table.Bills * LookupTable.ChargesPerBill)})");
                    (bills, charges) = (bills + billsPerTick, charges + chargesPerTick);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }
    }

    private async Task<List<double>> ProbeAsync(CancellationToken cancellationToken)
    {
        var lags = new List<double>();
        var started = Stopwatch.GetTimestamp();
        await using var connection = await table.Database.OpenAsync();
        for (var number = 1; !cancellationToken.IsCancellationRequested; number++)
        {
            var state = string.Create(CultureInfo.InvariantCulture, $"PROBE{number}");
            await ExecuteAsync(connection, $"UPDATE bill SET state = '{state}' WHERE bill_id = 1");
            var committed = Stopwatch.GetTimestamp();
            // The last one is waited for beyond the end: it may be the slowest.
            while (!(await ItemAsync())["gsi1pk"].S.StartsWith($"STATE#{state}#", StringComparison.Ordinal))
            {
                if (Stopwatch.GetElapsedTime(committed) > TimeSpan.FromMinutes(2))
                {
                    throw new InvalidOperationException("A change has not arrived for two minutes.");
                }

                await Task.Delay(Look, CancellationToken.None);
            }

            if (Stopwatch.GetElapsedTime(started, committed) >= WarmUp)
            {
                lags.Add(Stopwatch.GetElapsedTime(committed).TotalMilliseconds);
            }
        }

        return lags;
    }

    private async Task<Dictionary<string, AttributeValue>> ItemAsync() => (await table.Migration.Client.GetItemAsync(new GetItemRequest
    {
        TableName = table.Migration.Table,
        ConsistentRead = true,
        Key = new() { ["pk"] = new AttributeValue("CHARGE#9"), ["sk"] = new AttributeValue("CHARGE") },
    })).Item;

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
