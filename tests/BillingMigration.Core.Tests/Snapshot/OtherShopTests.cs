using System.Globalization;
using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Another shop's tables: composite primary keys and keys of any type, a parent key reached by a lookup, many ranges.</summary>
public sealed class OtherShopTests(TestServers servers)
{
    private const int Rows = 400;

    private const string Schema = """
        CREATE TABLE kunde (name VARCHAR(60) COLLATE utf8mb4_unicode_ci NOT NULL PRIMARY KEY, n INT NOT NULL);
        CREATE TABLE geraet (id BINARY(16) NOT NULL PRIMARY KEY, kunde VARCHAR(60) COLLATE utf8mb4_unicode_ci NOT NULL, n INT NOT NULL, FOREIGN KEY (kunde) REFERENCES kunde (name));
        CREATE TABLE rechnung (tag DATE NOT NULL, lfd INT NOT NULL, n INT NOT NULL, PRIMARY KEY (tag, lfd));
        CREATE TABLE gebuehr (wert DECIMAL(30,10) NOT NULL PRIMARY KEY, geraet BINARY(16) NOT NULL, n INT NOT NULL, FOREIGN KEY (geraet) REFERENCES geraet (id));
        CREATE TABLE tarif (art ENUM('z','a','m') NOT NULL, code VARCHAR(12) CHARACTER SET latin1 NOT NULL, n INT NOT NULL, PRIMARY KEY (art, code));
        """;

    private const string Definition = """
        {
          "name": "other-shop",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "indexes": [{ "name": "gsi1" }],
          "entities": [
            { "entity": "CUSTOMER", "table": "kunde", "pk": "K#{name}", "sk": "K" },
            { "entity": "SUBSCRIBER", "table": "geraet", "pk": "K#{kunde}", "sk": "G#{id}" },
            { "entity": "BILL", "table": "rechnung", "pk": "R#{tag}", "sk": "R#{lfd:D10}" },
            {
              "entity": "CHARGE", "table": "gebuehr", "pk": "K#{g.kunde}", "sk": "C#{wert}",
              "lookups": { "g": { "table": "geraet", "on": { "geraet": "id" } } },
              "indexes": { "gsi1": { "pk": "G#{geraet}", "sk": "C#{wert}" } }
            },
            { "entity": "SERVICE_AGREEMENT", "table": "tarif", "pk": "T#{art}", "sk": "T#{code}" }
          ]
        }
        """;

    // In utf8mb4_unicode_ci 'a' and 'A', 'e' and 'é', all emojis are equal, and upper and lower case are mixed in the order.
    private static readonly string[] Names = ["Zoë ", "zoe-", "Ärger", "argus", "日本", "日月", "😀", "ßen", "ss", "", "Ω", "e\u0301té", "ÉTA", "_%'\"\\"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_row_is_there_exactly_once(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(Schema);
        await FillAsync(database);
        await database.ExecuteAsync("ANALYZE TABLE kunde, geraet, rechnung, gebuehr, tarif");
        var source = new MySqlConnectionStringBuilder(database.ConnectionString);
        await using var sample = SampleMigration.Create(database.ConnectionString, (await servers.DynamoDbAsync()).Endpoint);
        var definition = MigrationDefinitionFile.Parse(
            Definition.Replace("HOST", source.Server).Replace("DATABASE", source.Database).Replace("ENDPOINT", sample.Definition.Target.EndpointUrl!.ToString())
                .Replace("TABLE", sample.Table).Replace("\"port\": 1", $"\"port\": {source.Port}"),
            null);
        // Little under way, so that a stop does not come when all is read.
        definition = definition with { Throttle = definition.Throttle with { Readers = 2, Writers = 2 } };
        await using var migration = new SampleMigration(definition, sample.Credential);
        await migration.InitializeAsync();

        // Stopped and gone on with, so that cursors of every type are used as well as bounds.
        SnapshotResult result;
        var options = new SnapshotOptions { RowsPerRange = 40, ItemsPerSecond = 400 };
        var stops = 0;
        do
        {
            var time = new TimeWithTrigger();
            await using var session = await MigrationSession.ConnectAsync(definition, migration.Credential, SampleMigration.Access, time, Cancel);
            var stop = new StopAfter(time, 300 * ++stops);
            result = await new SnapshotExporter(session, options with { MaxDuration = TimeWithTrigger.Triggered }).RunAsync(stop, Cancel);
        }
        while (result.Outcome == SnapshotOutcome.Stopped);

        Assert.Empty(result.Refused);
        Assert.Equal(SnapshotOutcome.Complete, result.Outcome);
        Assert.True(stops > 2);
        Assert.All(result.Entities, e => Assert.Equal((Rows, Rows, true), (e.Rows, e.Items, e.Ranges >= 5)));
        var items = (await migration.Client.ScanAsync(new ScanRequest { TableName = migration.Table }, Cancel)).Items;
        foreach (var entity in definition.Entities)
        {
            Assert.Equal(await ReadSourceAsync(database, entity.Table), items.Where(i => i["entity"].S == entity.Entity).Select(Text).Order(StringComparer.Ordinal));
        }

        await migration.DropAsync();
    }

    private static async Task FillAsync(TestDatabase database)
    {
        var random = new Random(11);
        var ids = Enumerable.Range(0, Rows).Select(_ => Convert.ToHexString(BitConverter.GetBytes(random.NextInt64()).Concat(BitConverter.GetBytes(random.NextInt64())).ToArray())).ToArray();
        string Name(int i) => $"_utf8mb4 X'{Convert.ToHexString(Encoding.UTF8.GetBytes(Names[i % Names.Length] + (i / 3).ToString(CultureInfo.InvariantCulture) + "xyz"[i % 3]))}'";
        string Amount(int i) => (i % 2 == 0 ? "-" : "") + (i * 7919L % 100_003) + "." + (i * 104_729L % 9_999_999_967).ToString("D10", CultureInfo.InvariantCulture);
        string Code(int i) => $"_latin1 X'{Convert.ToHexString(Encoding.Latin1.GetBytes("aÄbßCé"[i % 6] + (i * 31 % 997).ToString(CultureInfo.InvariantCulture)))}'";
        await InsertAsync(database, "kunde", i => $"{Name(i)}, {i}");
        await InsertAsync(database, "geraet", i => $"X'{ids[i]}', {Name((i * 17) % Rows)}, {i}");
        await InsertAsync(database, "rechnung", i => $"'{new DateOnly(2020, 1, 1).AddDays(i % 7 * 31):yyyy-MM-dd}', {i * 37 % 401}, {i}");
        await InsertAsync(database, "gebuehr", i => $"{Amount(i)}, X'{ids[(i * 13) % Rows]}', {i}");
        await InsertAsync(database, "tarif", i => $"'{"zam"[i % 3]}', {Code(i)}, {i}");
    }

    private static Task InsertAsync(TestDatabase database, string table, Func<int, string> values) =>
        database.ExecuteAsync($"INSERT INTO {table} VALUES {string.Join(", ", Enumerable.Range(0, Rows).Select(i => $"({values(i)})"))}");

    private static async Task<IReadOnlyList<string>> ReadSourceAsync(TestDatabase database, string table)
    {
        var rows = new List<string>();
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand($"SELECT * FROM {table}", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            rows.Add(string.Join(' ', Enumerable.Range(0, reader.FieldCount).OrderBy(reader.GetName, StringComparer.Ordinal).Select(i => reader.GetName(i) + "=" + reader.GetValue(i) switch
            {
                byte[] bytes => Convert.ToHexString(bytes),
                Guid guid => Convert.ToHexString(guid.ToByteArray(bigEndian: true)),
                DateTime day => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                decimal number => (number / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture),
                var other => Convert.ToString(other, CultureInfo.InvariantCulture),
            })));
        }

        return [.. rows.Order(StringComparer.Ordinal)];
    }

    private static string Text(Dictionary<string, AttributeValue> item) => string.Join(
        ' ',
        item.Where(a => a.Key is not ("pk" or "sk" or "entity" or "gsi1pk" or "gsi1sk")).OrderBy(a => a.Key, StringComparer.Ordinal)
            .Select(a => a.Key + "=" + (a.Value.S ?? a.Value.N ?? Convert.ToHexString(a.Value.B.ToArray()))));

    private sealed class StopAfter(TimeWithTrigger time, long items) : IProgress<SnapshotProgress>
    {
        public void Report(SnapshotProgress value)
        {
            if (value.Items > items)
            {
                time.Fire();
            }
        }
    }
}
