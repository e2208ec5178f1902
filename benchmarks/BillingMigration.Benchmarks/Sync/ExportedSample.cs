using Amazon.DynamoDBv2.Model;
using BillingMigration.Testing;
using SampleBilling;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>A sample database whose snapshot is in a billing table, ready to be followed.</summary>
internal sealed class ExportedSample : IAsyncDisposable
{
    private ExportedSample(TestDatabase database, SampleMigration migration) => (Database, Migration) = (database, migration);

    public TestDatabase Database { get; }

    public SampleMigration Migration { get; }

    /// <param name="indexed">Without its indexes the table takes items much faster, and its items are the same.</param>
    public static async Task<ExportedSample> CreateAsync(MySqlServer server, Uri endpoint, long rows, CancellationToken cancellationToken, bool indexed = true)
    {
        var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, rows, seed: 1, cancellationToken: cancellationToken);
        var migration = SampleMigration.Create(database.ConnectionString, endpoint);
        await BenchmarkTables.CreateAsync(migration, indexed, cancellationToken);
        var sample = new ExportedSample(database, migration);
        await SyncWorker.ExportAsync(migration, cancellationToken);
        return sample;
    }

    /// <summary>Charges of existing subscribers, one transaction for each thousand.</summary>
    public async Task InsertChargesAsync(int count)
    {
        const int PerTransaction = 1000;
        for (var done = 0; done < count; done += PerTransaction)
        {
            await Database.ExecuteAsync(InsertSql(Math.Min(PerTransaction, count - done)));
        }
    }

    public Task InsertInOneTransactionAsync(int count) => Database.ExecuteAsync($"SET cte_max_recursion_depth = {count + 1}; {InsertSql(count)}");

    public async Task<IReadOnlyList<string>> NewestChargesAsync(int count)
    {
        var ids = new List<string>();
        await using var connection = await Database.OpenAsync();
        await using var command = new MySqlConnector.MySqlCommand($"SELECT charge_id FROM charge ORDER BY charge_id DESC LIMIT {count}", connection);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            ids.Add(Convert.ToString(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture)!);
        }

        return ids;
    }

    public async Task<Dictionary<string, AttributeValue>> ItemAsync(string pk, string sk) => (await Migration.Client.GetItemAsync(new GetItemRequest
    {
        TableName = Migration.Table,
        ConsistentRead = true,
        Key = new() { ["pk"] = new AttributeValue(pk), ["sk"] = new AttributeValue(sk) },
    })).Item;

    public async ValueTask DisposeAsync()
    {
        await BenchmarkTables.DeleteAsync(Migration);
        await Migration.DisposeAsync();
        await Database.DisposeAsync();
    }

    private static string InsertSql(int count) => $"""
        INSERT INTO charge (account_id, subscriber_id, charge_type, description, quantity, amount, tax_amount, charged_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        SELECT account_id, subscriber_id, 'USAGE', CONCAT('followed ', i), 1.5, 0.1234, 0.0234, '2026-01-01' + INTERVAL i SECOND
        FROM n JOIN (SELECT account_id, subscriber_id FROM subscriber ORDER BY subscriber_id LIMIT 1) s
        """;
}
