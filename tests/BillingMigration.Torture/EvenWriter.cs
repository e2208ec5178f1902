using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>Changes, inserts, moves and deletes charges with even numbers until it is stopped; those with odd numbers are left for faults that must not heal.</summary>
public static class EvenWriter
{
    /// <param name="perSecond">Changes per second; null: as many as go.</param>
    /// <returns>Changes made.</returns>
    public static async Task<long> RunAsync(string connectionString, int seed, int? perSecond, CancellationToken stop)
    {
        await using var connection = new MySqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(CancellationToken.None);
        await using var most = new MySqlCommand("SELECT MAX(charge_id) FROM charge", connection);
        var last = Convert.ToInt64(await most.ExecuteScalarAsync(CancellationToken.None), CultureInfo.InvariantCulture);
        var random = new Random(seed);
        var next = last + 2 - (last % 2);
        var started = TimeProvider.System.GetTimestamp();
        long done = 0;
        while (!stop.IsCancellationRequested)
        {
            var id = 2 * random.NextInt64(1, (last / 2) + 1);
            var sql = random.Next(10) switch
            {
                < 5 => $"UPDATE charge SET amount = amount + 1, description = 'even {done}' WHERE charge_id = {id}",
                < 7 => $"UPDATE charge SET charged_at = charged_at + INTERVAL 1 SECOND WHERE charge_id = {id}",
                < 9 => $"INSERT INTO charge (charge_id, account_id, charge_type, description, amount, tax_amount, charged_at) SELECT {next}, account_id, charge_type, 'new', 1, 0, charged_at FROM charge WHERE charge_id = 1",
                _ => $"DELETE FROM charge WHERE charge_id = {id}",
            };
            next += 2;
            await using var command = new MySqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
            done++;
            if (perSecond is { } rate && TimeSpan.FromSeconds((double)done / rate) - TimeProvider.System.GetElapsedTime(started) is { Ticks: > 0 } ahead)
            {
                await Task.Delay(ahead, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return done;
    }
}
