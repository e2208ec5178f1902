using System.Globalization;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Torture;

public sealed record TortureWriterOptions
{
    public int Writers { get; init; } = 8;

    public int Seed { get; init; } = 1;

    /// <summary>Of all writers together; null: as fast as the source allows.</summary>
    public double? TransactionsPerSecond { get; init; }

    /// <summary>Each writer ends after so many attempts; null: when cancelled.</summary>
    public int? TransactionsEach { get; init; }
}

/// <summary>
/// Writers that leave no way of changing a row untried: inserts of whole accounts, updates of single rows and in bulk, changes of primary keys,
/// of foreign keys and of columns that stand in item keys, deletes and key changes that cascade over several levels, REPLACE and INSERT … ON DUPLICATE
/// KEY, savepoints, rollbacks, XA, partial updates of JSON, compressed transactions where the server has them.
/// </summary>
public static class TortureWriters
{
    /// <returns>Transactions committed.</returns>
    public static async Task<long> RunAsync(string connectionString, TortureWriterOptions options, CancellationToken cancellationToken)
    {
        var ids = await RowIds.ReadAsync(connectionString);
        var unpooled = new MySqlConnectionStringBuilder(connectionString) { Pooling = false, IgnoreCommandTransaction = true }.ConnectionString;
        var most = options.TransactionsEach ?? int.MaxValue;
        var pause = options.TransactionsPerSecond is { } rate ? TimeSpan.FromSeconds(options.Writers / rate) : TimeSpan.Zero;
        var writers = Enumerable.Range(0, options.Writers).Select(i => Task.Run(
            () => RunOneAsync(unpooled, ids, unchecked((options.Seed * 1_000_003) + i), i, pause, most, cancellationToken), CancellationToken.None));
        return (await Task.WhenAll(writers)).Sum();
    }

    private static async Task<long> RunOneAsync(string connectionString, RowIds ids, int seed, int number, TimeSpan pause, int most, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync(CancellationToken.None);
        var writer = new TortureWriter(connection, ids, new Random(seed), number);
        await writer.BeginSessionAsync(compressed: number % 2 == 1);
        using var pace = pause > TimeSpan.Zero ? new PeriodicTimer(pause) : null;
        for (var i = 0; i < most && !cancellationToken.IsCancellationRequested; i++)
        {
            await writer.TransactAsync();
            if (pace is not null)
            {
                await pace.WaitForNextTickAsync(CancellationToken.None);
            }
        }

        return writer.Committed;
    }
}

/// <summary>Primary keys that the writers know of; some of them are gone.</summary>
internal sealed class RowIds
{
    private const int Most = 200_000;
    private static readonly string[] Columns = ["customer_id", "account_id", "subscriber_id", "agreement_id", "bill_id", "charge_id"];

    private readonly Dictionary<string, List<long>> byTable = [];
    private long fresh;

    public static async Task<RowIds> ReadAsync(string connectionString)
    {
        var ids = new RowIds();
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync();
        foreach (var (table, column) in SampleDatabase.Tables.Zip(Columns))
        {
            var list = new List<long>();
            await using var command = new MySqlCommand($"SELECT {column} FROM {table}", connection);
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                list.Add(Convert.ToInt64(reader.GetValue(0), CultureInfo.InvariantCulture));
            }

            ids.byTable[table] = list;
            ids.fresh = Math.Max(ids.fresh, list.Count == 0 ? 0 : list.Max());
        }

        // Beyond what AUTO_INCREMENT will reach.
        ids.fresh += 1_000_000_000;
        return ids;
    }

    public long Some(string table, Random random)
    {
        var list = byTable[table];
        lock (list)
        {
            return list[random.Next(list.Count)];
        }
    }

    public void Add(string table, long id, Random random)
    {
        var list = byTable[table];
        lock (list)
        {
            if (list.Count < Most)
            {
                list.Add(id);
            }
            else
            {
                list[random.Next(list.Count)] = id;
            }
        }
    }

    public long Fresh() => Interlocked.Increment(ref fresh);
}
