using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>Statements that change rows, and do not say which: the entities are compared, and the table is the source again.</summary>
public sealed class UntoldChangeTests(TestServers servers)
{
    private const string Definition = """
        {
          "name": "untold",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "entities": [{ "entity": "BILL", "table": "bill", "pk": "BILL#{id}", "sk": "BILL" }]
        }
        """;

    private const string Bills = "CREATE TABLE bill (id INT PRIMARY KEY, amount INT); INSERT INTO bill VALUES (1,100),(2,200),(3,300);";
    private const string Notes = "CREATE TABLE bill (id INT PRIMARY KEY, amount INT, note VARCHAR(20) NULL); INSERT INTO bill VALUES (1,100,'a'),(2,200,'b'),(3,300,'c');";

    private static readonly SnapshotOptions BillAnew = new() { Restart = true, Entities = ["BILL"] };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, "UPDATE v_bill SET amount = 111 WHERE id = 1")]
    [InlineData(false, "INSERT INTO other VALUES (1)")]
    [InlineData(false, "SELECT f(333)")]
    [InlineData(false, "UPDATE v_bill SET amount = 111 WHERE id = 1; INSERT INTO other VALUES (1); SELECT f(333)")]
    [InlineData(true, "UPDATE v_bill SET amount = 111 WHERE id = 1")]
    [InlineData(true, "INSERT INTO other VALUES (1)")]
    [InlineData(true, "SELECT f(333)")]
    [InlineData(true, "UPDATE bill SET amount = 7 WHERE id = 2; SET STATEMENT max_statement_time=100 FOR UPDATE bill SET amount=444 WHERE id=1")]
    [InlineData(true, "REPLACE INTO checksums SELECT 'bill', COALESCE(SUM(CRC32(CONCAT(id, amount))), 0) FROM bill")]
    [InlineData(false, "REPLACE INTO checksums SELECT 'bill', COALESCE(SUM(CRC32(CONCAT(id, amount))), 0) FROM bill")]
    public async Task Rows_changed_by_a_logged_statement_arrive(bool mariaDb, string statements)
    {
        await using var shop = await CreateAsync(
            mariaDb,
            Bills + """
            CREATE TABLE other (id INT PRIMARY KEY); CREATE TABLE checksums (t VARCHAR(20) PRIMARY KEY, crc BIGINT); CREATE VIEW v_bill AS SELECT * FROM bill;
            CREATE TRIGGER t_other AFTER INSERT ON other FOR EACH ROW UPDATE bill SET amount = 222 WHERE id = 2;
            CREATE FUNCTION f(x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN UPDATE bill SET amount = x WHERE id = 3; RETURN x; END;
            """);
        await shop.ExportAsync();
        await shop.Database.ExecuteAsync($"SET SESSION binlog_format = 'STATEMENT'; {statements}");
        var result = await shop.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        Assert.All(result.Untold, change => Assert.Contains("bin", change.Position, StringComparison.Ordinal));
        Assert.NotEmpty(result.Untold);
        await AssertEqualAsync(shop, "id, amount");
    }

    /// <summary>A pool's connections keep the format that they were opened with.</summary>
    [Fact]
    public async Task A_session_that_kept_its_format_is_followed()
    {
        await using var shop = await CreateAsync(mariaDb: true, """
            CREATE TABLE bill (id INT PRIMARY KEY, amount INT); INSERT INTO bill VALUES (1,100),(2,200); CREATE TABLE payment (id INT PRIMARY KEY, bill INT, paid INT);
            CREATE TRIGGER pay AFTER INSERT ON payment FOR EACH ROW UPDATE bill SET amount = amount - NEW.paid WHERE id = NEW.bill;
            CREATE VIEW open_bills AS SELECT id, amount FROM bill WHERE amount > 0;
            """);
        await shop.ExportAsync();
        await shop.Database.ExecuteAsync("SET SESSION binlog_format = 'MIXED'; INSERT INTO payment VALUES (1,1,30); UPDATE open_bills SET amount = 150 WHERE id = 2");
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await AssertEqualAsync(shop, "id, amount");
    }

    [Theory]
    [InlineData(false, "TRUNCATE TABLE bill")]
    [InlineData(false, "TRUNCATE TABLE bill; INSERT INTO bill VALUES (2, 5), (9, 9)")]
    [InlineData(true, "INSERT INTO bill VALUES (8, 8); TRUNCATE bill; INSERT INTO bill VALUES (3, 3)")]
    [InlineData(true, "SET STATEMENT lock_wait_timeout=5 FOR TRUNCATE TABLE bill; INSERT INTO bill VALUES (4,400)")]
    public async Task A_truncated_table_is_compared(bool mariaDb, string statements)
    {
        await using var shop = await CreateAsync(mariaDb, Bills);
        await shop.ExportAsync();
        await shop.SyncAsync();
        await shop.Database.ExecuteAsync(statements);
        var result = await shop.SyncAsync();
        Assert.Equal((SyncState.Consistent, "TRUNCATE TABLE"), (result.State, Assert.Single(result.Untold).Kind));
        await AssertEqualAsync(shop, "id, amount");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_comparison_that_was_due_when_the_sync_was_killed_is_done(bool mariaDb)
    {
        await using var shop = await CreateAsync(mariaDb, Bills + "CREATE VIEW v_bill AS SELECT * FROM bill");
        await shop.ExportAsync();
        await shop.SyncAsync();
        await shop.Database.ExecuteAsync("TRUNCATE TABLE bill; INSERT INTO bill VALUES (5, 5), (1, 1)");
        await shop.SyncAsync();

        // What a kill leaves behind the statement, and before the comparison's end: the table as it was, the position behind, the comparison due.
        var checkpoint = (await shop.CheckpointAsync())!;
        await shop.PutAsync(new() { ["pk"] = new("BILL#7"), ["sk"] = new("BILL"), ["entity"] = new("BILL"), ["id"] = new() { N = "7" } });
        checkpoint["toCompare"] = new() { L = [new("BILL")] };
        checkpoint["state"] = new(nameof(SyncState.Converging));
        await shop.RewindAsync(checkpoint);

        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await AssertEqualAsync(shop, "id, amount");
    }

    /// <summary>A statement of which nothing was saved comes again, and what stands before it is not written over what is compared.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_statement_that_comes_again_is_compared_again(bool mariaDb)
    {
        await using var shop = await CreateAsync(mariaDb, Bills + "CREATE VIEW v_bill AS SELECT * FROM bill");
        await shop.ExportAsync();
        await shop.SyncAsync();
        var before = await shop.CheckpointAsync();
        await shop.Database.ExecuteAsync("UPDATE bill SET amount = 1; SET SESSION binlog_format = 'STATEMENT'; UPDATE v_bill SET amount = 2");
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
            await AssertEqualAsync(shop, "id, amount");
            await shop.RewindAsync(before);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Harmless_statements_are_passed_over(bool mariaDb)
    {
        await using var shop = await CreateAsync(
            mariaDb, "CREATE TABLE bill (id INT PRIMARY KEY, a INT, b INT, KEY ka (a), CONSTRAINT c1 CHECK (a >= 0)); INSERT INTO bill VALUES (1,1,1)");
        await shop.ExportAsync();
        await shop.Database.ExecuteAsync("""
            CREATE TABLE child (id INT PRIMARY KEY, bill_id INT, FOREIGN KEY (bill_id) REFERENCES bill (id));
            CREATE TABLE _bill_new LIKE bill; INSERT INTO _bill_new SELECT * FROM bill; DROP TABLE _bill_new;
            ALTER TABLE bill DEFAULT CHARACTER SET utf8mb4; ALTER TABLE bill ALTER b SET DEFAULT 5; ALTER TABLE bill ORDER BY a, b;
            """);
        await shop.Database.ExecuteAsync(mariaDb ? "ALTER TABLE bill ALTER INDEX ka IGNORED" : "ALTER TABLE bill ALTER INDEX ka INVISIBLE; ALTER TABLE bill ALTER CHECK c1 NOT ENFORCED; CREATE INDEX e ON bill ((a + b))");
        await shop.Database.ExecuteAsync("INSERT INTO bill (id, a) VALUES (2,2)");
        var result = await shop.SyncAsync();
        Assert.Equal((SyncState.Consistent, 0), (result.State, result.Untold.Length));
        await AssertEqualAsync(shop, "id, a, b");
    }

    public static TheoryData<bool, string, string, string> ShapeChanges => new()
    {
        { false, Notes, "ALTER TABLE bill DROP COLUMN note, ADD COLUMN memo VARCHAR(20) NULL DEFAULT 'm'; UPDATE bill SET amount = 445 WHERE id = 2", "id, amount, memo" },
        { true, Notes, "SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE bill DROP COLUMN note, ADD COLUMN memo VARCHAR(20) NULL DEFAULT 'm'; UPDATE bill SET amount = 445 WHERE id = 2", "id, amount, memo" },
        { false, Bills, "INSERT INTO bill VALUES (4, 4); RENAME TABLE bill TO bill_old; CREATE TABLE bill (id INT PRIMARY KEY, amount INT); INSERT INTO bill VALUES (9, 9)", "id, amount" },
        { true, Bills, "ALTER TABLE bill NOWAIT RENAME TO bill_old; CREATE TABLE bill (id INT PRIMARY KEY, amount INT); INSERT INTO bill VALUES (9, 9)", "id, amount" },
        { true, Bills, "ALTER TABLE bill WAIT 5 MODIFY amount DECIMAL(10,1); INSERT INTO bill VALUES (9, 9.5)", "id, amount" },
        { false, Bills, "DROP TABLE bill; CREATE TABLE bill (id INT PRIMARY KEY, amount INT); INSERT INTO bill VALUES (9, 9)", "id, amount" },
    };

    /// <summary>The error names what to do, and that is done: the snapshot stays the same, and only the entity begins anew.</summary>
    [Theory]
    [MemberData(nameof(ShapeChanges))]
    public async Task A_changed_shape_stops_and_costs_one_entity(bool mariaDb, string schema, string change, string columns)
    {
        await using var shop = await CreateAsync(mariaDb, schema);
        await shop.ExportAsync();
        await shop.SyncAsync();
        await shop.Database.ExecuteAsync("INSERT INTO bill (id, amount) VALUES (6, 6)");
        await shop.Database.ExecuteAsync(change);

        var error = await Assert.ThrowsAsync<MigrationException>(() => shop.SyncAsync());
        Assert.Contains("Export-BillingSnapshot -Restart -Entity BILL", error.Message, StringComparison.Ordinal);
        var again = await ExportAsync(shop, BillAnew);
        Assert.Equal(SnapshotOutcome.LeftToSync, again.Outcome);

        var result = await shop.SyncAsync();
        Assert.Equal((SyncState.Consistent, again.RunId), (result.State, result.RunId));
        await AssertEqualAsync(shop, columns);
        await shop.Database.ExecuteAsync("DELETE FROM bill WHERE id = 9; INSERT INTO bill (id, amount) VALUES (10, 10)");
        Assert.Empty((await shop.SyncAsync()).Untold);
        await AssertEqualAsync(shop, columns);
    }

    /// <summary>A statement that was not written to the binlog, and so announces nothing.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_column_that_nothing_announced_is_no_NULL(bool mariaDb)
    {
        await using var shop = await CreateAsync(mariaDb, Notes, Definition.Replace("\"sk\": \"BILL\" }", "\"sk\": \"BILL\", \"columns\": { \"note\": { \"exclude\": true } } }", StringComparison.Ordinal));
        await shop.ExportAsync();
        await shop.SyncAsync();
        await shop.Database.ExecuteAsync("SET SESSION sql_log_bin = 0; ALTER TABLE bill RENAME COLUMN note TO memo; SET SESSION sql_log_bin = 1; UPDATE bill SET amount = 5; "
            + "SET SESSION sql_log_bin = 0; ALTER TABLE bill RENAME COLUMN memo TO note");

        var error = await Assert.ThrowsAsync<MigrationException>(() => shop.SyncAsync());
        Assert.Equal("TableLayoutUnknown", error.ErrorId);
        Assert.Contains("Export-BillingSnapshot -Restart -Entity BILL", error.Message, StringComparison.Ordinal);
        await ExportAsync(shop, BillAnew);
        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync()).State);
        await AssertEqualAsync(shop, "id, amount");
    }

    private async Task<LookupShop> CreateAsync(bool mariaDb, string schema, string? definition = null) => await LookupShop.CreateAsync(servers, mariaDb, schema, definition ?? Definition);

    private static async Task<SnapshotResult> ExportAsync(LookupShop shop, SnapshotOptions options)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new SnapshotExporter(session, options).RunAsync(new Progress<SnapshotProgress>(), Cancel);
    }

    /// <summary>Read by a driver and a SELECT of its own, column by column.</summary>
    private static async Task AssertEqualAsync(LookupShop shop, string columns)
    {
        var names = columns.Split(", ");
        var expected = new List<string>();
        await using var connection = await shop.Database.OpenAsync();
        await using var command = new MySqlCommand($"SELECT {columns} FROM bill", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            expected.Add(string.Join(' ', names.Select((n, i) => reader.IsDBNull(i) ? "" : $"{n}={reader.GetValue(i):0.####}").Where(t => t.Length > 0)));
        }

        var items = (await shop.ItemsAsync()).Select(i => string.Join(' ', names.Where(i.ContainsKey).Select(n => $"{n}={i[n].S ?? i[n].N}")));
        Assert.Equal(expected.Order(StringComparer.Ordinal), items.Order(StringComparer.Ordinal));
        Assert.Equal(expected.Count, (await shop.ItemsAsync()).Count);
    }
}
