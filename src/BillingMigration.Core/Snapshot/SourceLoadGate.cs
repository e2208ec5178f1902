using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Snapshot;

/// <summary>Holds the readers back while the source is busy: <c>Threads_running</c> above the definition's limit.</summary>
internal sealed class SourceLoadGate(int? maxThreadsRunning, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);
    private int waiting;

    public bool IsWaiting => Volatile.Read(ref waiting) > 0;

    public async ValueTask WaitAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        if (maxThreadsRunning is not { } limit)
        {
            return;
        }

        while (await ThreadsRunningAsync(connection, cancellationToken) > limit)
        {
            Interlocked.Increment(ref waiting);
            try
            {
                await Task.Delay(Pause, time, cancellationToken);
            }
            finally
            {
                Interlocked.Decrement(ref waiting);
            }
        }
    }

    private static async Task<int> ThreadsRunningAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand("SHOW GLOBAL STATUS LIKE 'Threads_running'", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? int.Parse(reader.GetString(1), CultureInfo.InvariantCulture) : 0;
    }
}
