using System.Collections.Immutable;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>What the store cannot do with a definition is told before applications work on the table, with the index to add.</summary>
public sealed class StoreFitTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A definition, its tables, and what the store cannot do: "ENTITY operations: ENTITY by columns".</summary>
    public static TheoryData<string, string, string[]> Cases { get; } = new()
    {
        {
            "CREATE TABLE payment (id INT NOT NULL PRIMARY KEY, account INT NOT NULL)",
            """{ "entity": "PAYMENT", "table": "payment", "pk": "ACCOUNT#{account}", "sk": "PAYMENT#{id:D20}" }""",
            ["PAYMENT Get, Insert: PAYMENT by id"]
        },
        {
            // A generated key is new: nobody looks for it.
            "CREATE TABLE payment (id INT NOT NULL PRIMARY KEY AUTO_INCREMENT, account INT NOT NULL)",
            """{ "entity": "PAYMENT", "table": "payment", "pk": "ACCOUNT#{account}", "sk": "PAYMENT#{id:D20}" }""",
            ["PAYMENT Get: PAYMENT by id"]
        },
        {
            "CREATE TABLE payment (id INT NOT NULL PRIMARY KEY, number VARCHAR(10) NULL UNIQUE)",
            """{ "entity": "PAYMENT", "table": "payment", "pk": "PAYMENT#{id}", "sk": "PAYMENT" }""",
            ["PAYMENT Insert, Update: PAYMENT by number"]
        },
        {
            // The children that forbid that a row goes.
            """
            CREATE TABLE account (id INT NOT NULL PRIMARY KEY);
            CREATE TABLE payment (id INT NOT NULL PRIMARY KEY, account INT NULL, FOREIGN KEY (account) REFERENCES account (id))
            """,
            """{ "entity": "ACCOUNT", "table": "account", "pk": "ACCOUNT#{id}", "sk": "ACCOUNT" }, { "entity": "PAYMENT", "table": "payment", "pk": "PAYMENT#{id}", "sk": "PAYMENT" }""",
            ["ACCOUNT Delete: PAYMENT by account"]
        },
        {
            // Of a child that goes as well its own children, and the keys that a lookup makes.
            """
            CREATE TABLE account (id INT NOT NULL PRIMARY KEY);
            CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, account INT NOT NULL, FOREIGN KEY (account) REFERENCES account (id) ON DELETE CASCADE);
            CREATE TABLE line (id INT NOT NULL PRIMARY KEY, bill INT NOT NULL, FOREIGN KEY (bill) REFERENCES bill (id) ON DELETE CASCADE)
            """,
            """
            { "entity": "ACCOUNT", "table": "account", "pk": "ACCOUNT#{id}", "sk": "ACCOUNT" },
            { "entity": "BILL", "table": "bill", "pk": "ACCOUNT#{account}", "sk": "BILL#{id:D20}" },
            { "entity": "LINE", "table": "line", "pk": "ACCOUNT#{bill.account}", "sk": "LINE#{id:D20}", "lookups": { "bill": { "table": "bill", "on": { "bill": "id" } } }, "indexes": { "gsi1": { "pk": "BILL#{bill}", "sk": "LINE#{id:D20}" } } }
            """,
            ["ACCOUNT Delete: BILL by id", "BILL Get, Insert, Delete: BILL by id", "LINE Get, Insert: LINE by id", "LINE Insert, Update, Delete: BILL by id"]
        },
        {
            // An index that only some rows are in finds no others.
            "CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, account INT NOT NULL, state ENUM('NEW', 'SENT') NOT NULL)",
            """{ "entity": "BILL", "table": "bill", "pk": "ACCOUNT#{account}", "sk": "BILL#{id:D20}", "indexes": { "gsi1": { "pk": "BILL#{id}", "sk": "BILL", "when": { "column": "state", "in": ["SENT"] } } } }""",
            ["BILL Get, Insert: BILL by id"]
        },
        {
            "CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, net INT NOT NULL, gross INT AS (net * 2) STORED NOT NULL)",
            """{ "entity": "BILL", "table": "bill", "pk": "BILL#{id}", "sk": "BILL" }""",
            ["BILL Insert, Update: BILL by gross"]
        },
        {
            "CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, token VARCHAR(36) NOT NULL DEFAULT (UUID()), made DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            """{ "entity": "BILL", "table": "bill", "pk": "BILL#{id}", "sk": "BILL" }""",
            ["(BILL Insert: BILL by token)"]
        },
        {
            // Whole columns are all that the table makes unique.
            "CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, code VARCHAR(20) NOT NULL, UNIQUE KEY beginning (code(10)), UNIQUE KEY lowered ((LOWER(code))))",
            """{ "entity": "BILL", "table": "bill", "pk": "BILL#{id}", "sk": "BILL" }""",
            ["(BILL Insert, Update: BILL by code)", "(BILL Insert, Update: BILL by )"]
        },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task What_no_key_finds_is_told_and_the_advised_index_mends_it(string sql, string entities, string[] gaps)
    {
        await using var database = await (await stores.Servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync(sql);
        var definition = Definition(entities);
        var found = await CheckAsync(database, definition);
        Assert.Equal(gaps, found.Select(Short));

        foreach (var index in found.Select(g => g.Index).OfType<StoreIndex>().Distinct())
        {
            Assert.Contains(index.ToString(), found.First(g => g.Index == index).Remedy, StringComparison.Ordinal);
            definition = WithIndex(definition, index);
        }

        Assert.Empty((await CheckAsync(database, definition)).Where(g => g.Index is not null));
    }

    [Fact]
    public async Task The_sample_can_be_read_and_written_whole()
    {
        await using var session = await (await stores.MigrationAsync(Backend.MySql)).ConnectAsync();
        Assert.Empty(await StoreFit.CheckAsync(session, Cancel));
    }

    private static string Short(StoreGap gap)
    {
        var text = $"{gap.Entity} {string.Join(", ", gap.Operations)}: {gap.Of} by {string.Join(", ", gap.Columns)}";
        return gap.IsRefused ? text : $"({text})";
    }

    private static MigrationDefinition Definition(string entities) => MigrationDefinitionFile.Parse(
        $$"""{ "name": "fit", "source": { "host": "db", "database": "shop" }, "target": { "table": "billing" }, "indexes": [{{(entities.Contains("gsi1", StringComparison.Ordinal) ? """{ "name": "gsi1" }""" : "")}}], "entities": [{{entities}}] }""", null);

    private static MigrationDefinition WithIndex(MigrationDefinition definition, StoreIndex index) => definition with
    {
        Indexes = definition.Indexes.Any(i => i.Name == index.Name) ? definition.Indexes : definition.Indexes.Add(new IndexDefinition { Name = index.Name }),
        Entities =
        [
            .. definition.Entities.Select(e => e.Entity != index.Entity ? e : e with
            {
                Indexes = e.Indexes.Add(index.Name, new IndexKeyDefinition { PartitionKey = [KeyTemplate.Parse(index.PartitionKey)], SortKey = [KeyTemplate.Parse(index.SortKey)] }),
            }),
        ],
    };

    private static async Task<ImmutableArray<StoreGap>> CheckAsync(TestDatabase database, MigrationDefinition definition)
    {
        await using var connection = await database.OpenAsync();
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, BillingModel.TablesOf(definition), Cancel);
        Assert.DoesNotContain(DefinitionSchemaCheck.Check(definition, tables), p => p.Severity == DefinitionSeverity.Error);
        return StoreFit.Check(BillingModel.Bind(definition, tables));
    }
}
