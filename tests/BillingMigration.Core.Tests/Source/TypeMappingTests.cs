using System.Globalization;
using System.Text;
using System.Text.Json;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source;

/// <summary>Every column type of real servers: the documented attribute, and back into a column without loss.</summary>
public sealed class TypeMappingTests(TestServers servers)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_type_has_its_documented_attribute_and_returns_without_loss(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        var cases = TypeCases.Of(mariaDb);
        const string Mode = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; ";
        var columns = string.Join(", ", cases.Select((c, i) => $"c{i} {c.Type}"));
        await database.ExecuteAsync($"CREATE TABLE typed (id INT PRIMARY KEY, {columns}); CREATE TABLE copy LIKE typed");
        await database.ExecuteAsync($"{Mode}INSERT INTO typed VALUES (1, {string.Join(", ", cases.Select(c => c.Sql))}); INSERT INTO typed (id) VALUES (2)");

        var (model, items) = await EncodeAsync(database);
        var first = JsonDocument.Parse(items[0]).RootElement;
        for (var i = 0; i < cases.Length; i++)
        {
            if (cases[i].Attribute.Length > 0)
            {
                Assert.Equal($"{cases[i].Type}: {cases[i].Attribute}", $"{cases[i].Type}: {Show(first.GetProperty($"c{i}"))}");
            }
        }

        Assert.Equal(["pk", "sk", "entity", "id"], JsonDocument.Parse(items[1]).RootElement.EnumerateObject().Select(p => p.Name));

        foreach (var item in items)
        {
            await database.ExecuteAsync(Mode + Insert(model, item));
        }

        var copy = await EncodeAsync(database, "copy");
        Assert.Equal(items, copy.Items);
        await AssertSameOnServerAsync(database, model);
    }

    private static async Task<(EntityModel Model, List<string> Items)> EncodeAsync(TestDatabase database, string table = "typed")
    {
        await using var source = await SourceConnections.OpenAsync(
            new SourceDefinition { Host = database.Server.Host, Port = database.Server.Port, Database = database.Name, Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None } },
            new SourceCredential("root", ""), null, CancellationToken.None);
        await using var connection = await source.OpenConnectionAsync(CancellationToken.None);
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, [table], CancellationToken.None);
        var model = EntityModel.Bind(
            new EntityDefinition { Entity = "TYPED", Table = table, PartitionKey = KeyTemplate.Parse("T#{id}"), SortKey = KeyTemplate.Parse("T") }, [], tables);
        var statement = new SelectStatement(model);
        var reader = new RowReader(model, statement);
        var row = new RowBuffer(model.Row.Length);
        using var batch = new ItemBatch();
        var items = new List<string>();
        await using var command = new MySqlCommand(statement.Page(null, null, 100), connection);
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync())
        {
            reader.Read(rows, row);
            Assert.True(new ItemEncoder(model).TryEncode(row, batch, out var refusal), refusal.Reason);
            items.Add(Encoding.UTF8.GetString(batch.Item(batch.Count - 1).Span));
        }

        return (model, items);
    }

    /// <summary>An INSERT of the row that the item decodes to, each value as a literal of its column's type.</summary>
    private static string Insert(EntityModel model, string item)
    {
        var row = new RowBuffer(model.Row.Length);
        new ItemDecoder(model).Decode(Encoding.UTF8.GetBytes(item), row);
        var values = model.Attributes.Select(a => row.IsNull(a.RowIndex) ? "NULL"
            : AttributeForms.TypeOf(a.Form) == AttributeType.N ? Encoding.ASCII.GetString(row[a.RowIndex])
            : a.Form == AttributeForm.Binary ? $"X'{Convert.ToHexString(row[a.RowIndex])}'"
            : $"CONVERT(X'{Convert.ToHexString(row[a.RowIndex])}' USING utf8mb4)");
        return $"INSERT INTO copy ({string.Join(", ", model.Attributes.Select(a => a.Name))}) VALUES ({string.Join(", ", values)})";
    }

    /// <summary>The server's own comparison, in binary.</summary>
    private static async Task AssertSameOnServerAsync(TestDatabase database, EntityModel model)
    {
        await using var connection = await database.OpenAsync();
        foreach (var attribute in model.Attributes)
        {
            var name = attribute.Name;
            var sql = $"SELECT COUNT(*) FROM typed JOIN copy USING (id) WHERE NOT (HEX(typed.{name}) <=> HEX(copy.{name})) OR NOT (typed.{name} <=> copy.{name})";
            if (attribute.Column.DataType is "point" or "vector")
            {
                sql = $"SELECT COUNT(*) FROM typed JOIN copy USING (id) WHERE NOT (HEX(typed.{name}) <=> HEX(copy.{name}))";
            }

            await using var command = new MySqlCommand(sql, connection);
            Assert.Equal($"{name}: 0", $"{name}: {Convert.ToString(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture)}");
        }
    }

    private static string Show(JsonElement attribute)
    {
        var value = attribute.EnumerateObject().Single();
        return value.Name == "B" ? "B:" + Convert.ToHexString(value.Value.GetBytesFromBase64()) : $"{value.Name}:{value.Value.GetString()}";
    }
}
