using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>A shop whose lines know their invoice only, and lie in the partition of the invoice's account.</summary>
internal sealed class LookupShop(TestDatabase database, SampleMigration migration) : IAsyncDisposable
{
    private const string Schema = """
        CREATE TABLE acct (acct_id INT NOT NULL PRIMARY KEY, note VARCHAR(20) NULL);
        CREATE TABLE invoice (invoice_id INT NOT NULL PRIMARY KEY, acct_id INT NOT NULL, state VARCHAR(10) COLLATE utf8mb4_bin NULL, FOREIGN KEY (acct_id) REFERENCES acct (acct_id));
        CREATE TABLE line (line_id INT NOT NULL PRIMARY KEY, invoice_id INT NOT NULL, amount INT NOT NULL, FOREIGN KEY (invoice_id) REFERENCES invoice (invoice_id));
        INSERT INTO acct VALUES (1, 'a'), (2, 'b'), (3, NULL), (4, 'd'), (5, 'e');
        INSERT INTO invoice VALUES (1, 1, 'NEW'), (2, 1, NULL), (3, 2, 'SENT'), (4, 3, 'SENT');
        INSERT INTO line VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30), (4, 3, 40), (5, 3, 50), (6, 4, 60), (7, 4, 70);
        """;

    private const string Definition = """
        {
          "name": "lookup-shop",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "indexes": [{ "name": "gsi1" }, { "name": "gsi2" }],
          "entities": [
            { "entity": "BILLING_ACCOUNT", "table": "acct", "pk": "ACCOUNT#{acct_id}", "sk": "ACCOUNT" },
            { "entity": "BILL", "table": "invoice", "pk": "ACCOUNT#{acct_id}", "sk": "BILL#{invoice_id:D10}" },
            {
              "entity": "CHARGE", "table": "line", "pk": "ACCOUNT#{bill.acct_id}", "sk": "CHARGE#{line_id:D10}",
              "lookups": { "bill": { "table": "invoice", "on": { "invoice_id": "invoice_id" } } },
              "indexes": { "gsi1": { "pk": "STATE#{bill.state}", "sk": "CHARGE#{line_id:D10}" }, "gsi2": { "pk": "BILL#{invoice_id}", "sk": "CHARGE#{line_id:D10}" } }
            }
          ]
        }
        """;

    /// <summary>The same, with lines in partitions of their own: only their index is keyed by the invoice.</summary>
    public static readonly string LinesByThemselves = Definition.Replace("\"pk\": \"ACCOUNT#{bill.acct_id}\", \"sk\": \"CHARGE#{line_id:D10}\"", "\"pk\": \"LINE#{line_id}\", \"sk\": \"LINE\"", StringComparison.Ordinal);

    private static readonly Progress<SyncProgress> Silent = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public TestDatabase Database => database;

    public SampleMigration Migration => migration;

    public static async Task<LookupShop> CreateAsync(TestServers servers, bool mariaDb, string? schema = null, string? definition = null) =>
        await CreateAsync(servers, await servers.SourceAsync(mariaDb), schema, definition);

    /// <param name="spell">The database's name as the definition has it; null: as the server does.</param>
    public static async Task<LookupShop> CreateAsync(TestServers servers, SqlServerProcess server, string? schema, string? definition, Func<string, string>? spell = null)
    {
        var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync(schema ?? Schema);
        var source = new MySqlConnectionStringBuilder(database.ConnectionString);
        await using var sample = SampleMigration.Create(database.ConnectionString, (await servers.DynamoDbAsync()).Endpoint);
        var parsed = MigrationDefinitionFile.Parse(
            (definition ?? Definition).Replace("HOST", source.Server).Replace("DATABASE", spell?.Invoke(source.Database) ?? source.Database).Replace("ENDPOINT", sample.Definition.Target.EndpointUrl!.ToString())
                .Replace("TABLE", sample.Table).Replace("\"port\": 1", $"\"port\": {source.Port}"),
            null);
        var migration = new SampleMigration(parsed, sample.Credential);
        await migration.InitializeAsync();
        return new LookupShop(database, migration);
    }

    public async Task ExportAsync(bool restart = false)
    {
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions { Restart = restart }).RunAsync(new Progress<SnapshotProgress>(), Cancel);
    }

    public async Task<SyncResult> SyncAsync(SyncOptions? options = null)
    {
        await using var session = await migration.ConnectAsync();
        return await new ChangeFollower(session, options ?? new SyncOptions()).RunAsync(Silent, Cancel);
    }

    /// <summary>What a kill leaves when nothing of a run was saved: the table as it is, and the checkpoint as it was.</summary>
    public async Task<Dictionary<string, AttributeValue>?> CheckpointAsync() =>
        (await migration.Client.ScanAsync(new ScanRequest { TableName = migration.Definition.Target.ControlTableName, ConsistentRead = true }, Cancel)).Items
            .FirstOrDefault(i => i["sk"].S.StartsWith("SYNC#", StringComparison.Ordinal));

    public async Task RewindAsync(Dictionary<string, AttributeValue>? checkpoint)
    {
        var table = migration.Definition.Target.ControlTableName;
        if (checkpoint is null)
        {
            var last = (await CheckpointAsync())!;
            await migration.Client.DeleteItemAsync(table, new Dictionary<string, AttributeValue> { ["pk"] = last["pk"], ["sk"] = last["sk"] }, Cancel);
            return;
        }

        await migration.Client.PutItemAsync(table, new Dictionary<string, AttributeValue>(checkpoint) { ["isLast"] = new() { BOOL = false } }, Cancel);
    }

    public async Task<List<Dictionary<string, AttributeValue>>> ItemsAsync() =>
        (await migration.Client.ScanAsync(new ScanRequest { TableName = migration.Table, ConsistentRead = true }, Cancel)).Items;

    public Task PutAsync(Dictionary<string, AttributeValue> item) => migration.Client.PutItemAsync(migration.Table, item, Cancel);

    /// <summary>The table is the source item for item, keys of indexes too.</summary>
    public async Task AssertEqualAsync() => Assert.Equal(await ExpectedAsync(), (await ItemsAsync()).Select(Text).Order(StringComparer.Ordinal));

    /// <summary>The same for a schema of a test's own.</summary>
    /// <param name="queries">Each gives lines of the form of <see cref="Text"/>.</param>
    public async Task AssertEqualAsync(params string[] queries)
    {
        var expected = new List<string>();
        await using var connection = await database.OpenAsync();
        foreach (var query in queries)
        {
            await using var command = new MySqlCommand(query, connection);
            await using var reader = await command.ExecuteReaderAsync(Cancel);
            while (await reader.ReadAsync(Cancel))
            {
                expected.Add(reader.GetString(0));
            }
        }

        Assert.Equal(expected.Order(StringComparer.Ordinal), (await ItemsAsync()).Select(Text).Order(StringComparer.Ordinal));
    }

    /// <summary>Random changes of one writer, many of them of rows that refer to each other.</summary>
    public async Task WriteAsync(int seed, int transactions)
    {
        var random = new Random(seed);
        await using var connection = await database.OpenAsync();
        for (var i = 0; i < transactions; i++)
        {
            var (account, invoice, other, line) = (random.Next(1, 6), random.Next(1, 30), random.Next(1, 30), random.Next(1, 200));
            var sql = random.Next(10) switch
            {
                0 => $"INSERT IGNORE INTO invoice VALUES ({invoice}, {account}, {(account == 5 ? "NULL" : "'NEW'")})",
                1 or 2 => $"INSERT IGNORE INTO line VALUES ({line}, {invoice}, {i}), ({line + 1}, {invoice}, {i}), ({line + 2}, {other}, {i})",
                3 => $"UPDATE line SET amount = amount + 1 WHERE line_id BETWEEN {line} AND {line + 9}",
                4 => $"UPDATE IGNORE line SET invoice_id = {invoice}, amount = {i} WHERE line_id BETWEEN {line} AND {line + 3}",
                5 => $"UPDATE invoice SET acct_id = {account} WHERE invoice_id IN ({invoice}, {other})",
                6 => $"UPDATE invoice SET state = {(account > 3 ? "NULL" : $"'S{account}'")} WHERE invoice_id = {invoice}",
                7 => $"DELETE FROM line WHERE line_id BETWEEN {line} AND {line + 2}",
                8 => $"BEGIN; DELETE FROM line WHERE invoice_id = {invoice}; DELETE FROM invoice WHERE invoice_id = {invoice}; COMMIT",
                _ => $"BEGIN; UPDATE IGNORE line SET line_id = {line + 500} WHERE line_id = {line}; UPDATE invoice SET acct_id = {account} WHERE invoice_id = {other}; "
                    + $"UPDATE line SET amount = {i} WHERE invoice_id = {other}; DELETE FROM line WHERE line_id = {line + 501}; COMMIT",
            };
            await using var command = new MySqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(Cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await migration.DropAsync();
        await migration.DisposeAsync();
        await database.DisposeAsync();
    }

    private async Task<List<string>> ExpectedAsync()
    {
        var expected = new List<string>();
        var byThemselves = migration.Definition.Entities[2].PartitionKey.ToString() == "LINE#{line_id}";
        await ReadAsync("SELECT acct_id, note FROM acct", r => $"entity=BILLING_ACCOUNT pk=ACCOUNT#{r[0]} sk=ACCOUNT acct_id={r[0]}{Optional("note", r[1])}");
        await ReadAsync("SELECT acct_id, invoice_id, state FROM invoice", r => $"entity=BILL pk=ACCOUNT#{r[0]} sk=BILL#{Ten(r[1])} acct_id={r[0]} invoice_id={r[1]}{Optional("state", r[2])}");
        await ReadAsync(
            "SELECT i.acct_id, l.line_id, l.invoice_id, l.amount, i.state FROM line l JOIN invoice i ON i.invoice_id = l.invoice_id",
            r => $"entity=CHARGE {(byThemselves ? $"pk=LINE#{r[1]} sk=LINE" : $"pk=ACCOUNT#{r[0]} sk=CHARGE#{Ten(r[1])}")} amount={r[3]}{(r[4] is DBNull ? "" : $" gsi1pk=STATE#{r[4]} gsi1sk=CHARGE#{Ten(r[1])}")} gsi2pk=BILL#{r[2]} gsi2sk=CHARGE#{Ten(r[1])} invoice_id={r[2]} line_id={r[1]}");
        return [.. expected.Order(StringComparer.Ordinal)];

        string Optional(string name, object value) => value is DBNull ? "" : $" {name}={value}";
        string Ten(object value) => Convert.ToInt32(value, CultureInfo.InvariantCulture).ToString("D10", CultureInfo.InvariantCulture);
        async Task ReadAsync(string sql, Func<object[], string> text)
        {
            await using var connection = await database.OpenAsync();
            await using var command = new MySqlCommand(sql, connection);
            await using var reader = await command.ExecuteReaderAsync(Cancel);
            while (await reader.ReadAsync(Cancel))
            {
                var values = new object[reader.FieldCount];
                reader.GetValues(values);
                expected.Add(text(values));
            }
        }
    }

    private static string Text(Dictionary<string, AttributeValue> item) => $"entity={item["entity"].S} pk={item["pk"].S} sk={item["sk"].S} " + string.Join(
        ' ', item.Where(a => a.Key is not ("pk" or "sk" or "entity")).OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}={a.Value.S ?? a.Value.N}"));
}
