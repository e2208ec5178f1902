using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source;

/// <summary>Both servers describe the same tables alike, whatever words their dictionaries use.</summary>
public sealed class SchemaInspectorTests(TestServers servers)
{
    private const string Tables = """
        CREATE TABLE parent (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, no CHAR(3) NOT NULL, b INT NOT NULL DEFAULT 7, PRIMARY KEY (id), UNIQUE KEY u (no, b));
        CREATE TABLE child (
          a INT NOT NULL, z INT NOT NULL,
          en ENUM('a,b','it''s','ü€','back\\slash','new\nline',' (x)','') NULL DEFAULT 'it''s',
          st SET('x unsigned','y') NOT NULL DEFAULT 'y',
          bt BIT(13) NOT NULL DEFAULT b'101',
          d65 DECIMAL(65,30) NULL, du DECIMAL(10,2) UNSIGNED NOT NULL DEFAULT 1.50, iz INT(5) UNSIGNED ZEROFILL NULL,
          t6 TIME(6) NULL, dt DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, dt3 DATETIME(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
          ts TIMESTAMP NOT NULL DEFAULT '2020-01-02 03:04:05', y YEAR NULL,
          vb VARBINARY(20) NULL, bn BINARY(4) NOT NULL, vcb VARCHAR(10) CHARACTER SET binary NULL,
          vl VARCHAR(20) CHARACTER SET latin1 NOT NULL DEFAULT 'NULL', vn VARCHAR(20) NOT NULL, vq VARCHAR(40) DEFAULT 'q''uo\\te', ve VARCHAR(40) NOT NULL DEFAULT '',
          vnull VARCHAR(3) DEFAULT NULL, j JSON NULL, lt LONGTEXT NULL, tb TINYBLOB NULL, g GEOMETRY NULL, f FLOAT NULL, db DOUBLE UNSIGNED NULL,
          vexp VARCHAR(40) DEFAULT (concat('a','b')),
          gs INT GENERATED ALWAYS AS (a+1) STORED, gv VARCHAR(50) GENERATED ALWAYS AS (concat(vn,'STORED GENERATED')) VIRTUAL,
          fk1 BIGINT UNSIGNED NULL, f2 CHAR(3) NULL, f3 INT NULL,
          PRIMARY KEY (z, a), UNIQUE KEY pre (vn(5)), KEY plain (a), UNIQUE KEY gs (gs),
          CONSTRAINT `odd``name` FOREIGN KEY (fk1) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE,
          CONSTRAINT c2 FOREIGN KEY (f2, f3) REFERENCES parent (no, b) ON DELETE CASCADE,
          CONSTRAINT c3 FOREIGN KEY (f3, a) REFERENCES child (z, a)
        );
        CREATE VIEW seen AS SELECT * FROM parent;
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_field_is_read(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(Tables);
        await using var connection = await database.OpenAsync();
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, [], Cancellation);

        Assert.Equal(["child", "parent"], tables.Keys.Order(StringComparer.Ordinal));
        var child = tables["child"];
        Assert.Equal((database.Name, "child", "InnoDB"), (child.Database, child.Name, child.Engine));
        Assert.Equal(["z", "a"], child.PrimaryKey.AsEnumerable());
        Assert.Equal(Enumerable.Range(1, child.Columns.Length), child.Columns.Select(c => c.Ordinal));
        Assert.Equal([("gs", "gs"), ("pre", "vn")], child.UniqueKeys.Select(k => (k.Name, string.Join(',', k.Columns))).Order());
        Assert.Equal(["pre"], child.PartialKeys.AsEnumerable());
        Assert.Equal(["no", "b"], Assert.Single(tables["parent"].UniqueKeys).Columns.AsEnumerable());
        Assert.Empty(tables["parent"].PartialKeys);
        Assert.True(tables["parent"].FindColumn("ID")!.AutoIncrement);

        ColumnSchema Column(string name) => child.FindColumn(name)!;
        Assert.Equal(["a,b", "it's", "ü€", "back\\slash", "new\nline", " (x)", ""], Column("en").Members.AsEnumerable());
        Assert.Equal(["x unsigned", "y"], Column("st").Members.AsEnumerable());
        Assert.False(Column("st").Unsigned);
        Assert.Equal((13, "bit"), (Column("bt").Precision, Column("bt").DataType));
        Assert.Equal((65, 30, false), (Column("d65").Precision, Column("d65").Scale, Column("d65").Unsigned));
        Assert.Equal((10, 2, true), (Column("du").Precision, Column("du").Scale, Column("du").Unsigned));
        Assert.True(Column("iz").Unsigned);
        Assert.True(Column("db").Unsigned);
        Assert.Equal((6, 0, 3), (Column("t6").FractionalDigits, Column("dt").FractionalDigits, Column("dt3").FractionalDigits));
        Assert.True(Column("dt3").UpdatedAutomatically);
        Assert.False(Column("dt").UpdatedAutomatically);
        Assert.Equal(("varbinary", 10L, null, null), (Column("vcb").DataType, Column("vcb").MaxLength, Column("vcb").CharacterSet, Column("vcb").Collation));
        Assert.Equal((20L, "latin1", "latin1_swedish_ci"), (Column("vl").MaxLength, Column("vl").CharacterSet, Column("vl").Collation));
        Assert.Equal(4294967295L, Column("lt").MaxLength);
        Assert.Equal(mariaDb ? "longtext" : "json", Column("j").DataType);
        Assert.Equal((GeneratedColumn.Stored, GeneratedColumn.Virtual, GeneratedColumn.No), (Column("gs").Generated, Column("gv").Generated, Column("a").Generated));
        Assert.Equal((true, false), (Column("d65").Nullable, Column("a").Nullable));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Defaults_mean_the_same_on_both_servers(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(Tables);
        await using var connection = await database.OpenAsync();
        var child = (await SchemaInspector.InspectAsync(connection, database.Name, ["child"], Cancellation))["child"];

        void Default(string name, string? text, bool isExpression, bool hasDefault)
        {
            var column = child.FindColumn(name)!;
            Assert.Equal((name, text, isExpression, hasDefault), (name, column.Default, column.DefaultIsExpression, column.HasDefault));
        }

        Default("en", "it's", false, true);
        Default("st", "y", false, true);
        Default("bt", "b'101'", false, true);
        Default("du", "1.50", false, true);
        Default("ts", "2020-01-02 03:04:05", false, true);
        Default("vl", "NULL", false, true);
        Default("vq", "q'uo\\te", false, true);
        Default("ve", "", false, true);
        Default("vnull", null, false, true);
        Default("d65", null, false, true);
        Default("vn", null, false, false);
        Default("a", null, false, false);
        Default("gs", null, false, false);
        Default("gv", null, false, false);
        Default("dt", mariaDb ? "current_timestamp()" : "CURRENT_TIMESTAMP", true, true);
        Default("dt3", mariaDb ? "current_timestamp(3)" : "CURRENT_TIMESTAMP(3)", true, true);
        Assert.True(child.FindColumn("vexp")!.DefaultIsExpression);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_account_with_SELECT_only_sees_keys_and_rules_too(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(Tables + $"""
            DROP USER IF EXISTS reader_{database.Name}; CREATE USER reader_{database.Name} IDENTIFIED BY 'reads'; GRANT SELECT ON {database.Name}.* TO reader_{database.Name};
            """);
        var text = new MySqlConnectionStringBuilder(database.ConnectionString) { UserID = "reader_" + database.Name, Password = "reads" }.ConnectionString;
        await using var connection = new MySqlConnection(text);
        await connection.OpenAsync(Cancellation);
        var child = (await SchemaInspector.InspectAsync(connection, database.Name, ["child", "nowhere"], Cancellation))["child"];
        await database.ExecuteAsync($"DROP USER reader_{database.Name}");

        var keys = child.ForeignKeys.OrderBy(k => k.Name, StringComparer.Ordinal).ToList();
        var rule = mariaDb ? "RESTRICT" : "NO ACTION";
        Assert.Equal(["c2", "c3", "odd`name"], keys.Select(k => k.Name));
        Assert.Equal(("parent", "CASCADE", rule), (keys[0].ReferencedTable, keys[0].OnDelete, keys[0].OnUpdate));
        Assert.Equal(["f2", "f3"], keys[0].Columns.AsEnumerable());
        Assert.Equal(["no", "b"], keys[0].ReferencedColumns.AsEnumerable());
        Assert.Equal(("child", rule, rule), (keys[1].ReferencedTable, keys[1].OnDelete, keys[1].OnUpdate));
        Assert.Equal(("SET NULL", "CASCADE"), (keys[2].OnDelete, keys[2].OnUpdate));
    }

    [Fact]
    public async Task MariaDb_types_of_its_own_keep_their_names()
    {
        await using var database = await (await servers.MariaDbAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync("""
            CREATE TABLE own (id UUID NOT NULL DEFAULT uuid() PRIMARY KEY, i INET6 NULL, n INT NOT NULL, p INT AS (n + 2) PERSISTENT, c LONGTEXT COMPRESSED NULL, v VARCHAR(10) NOT NULL DEFAULT 'uuid()');
            CREATE TABLE history (id INT PRIMARY KEY, rs TIMESTAMP(6) GENERATED ALWAYS AS ROW START, re TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(rs, re)) WITH SYSTEM VERSIONING;
            CREATE SEQUENCE numbers;
            """);
        await using var connection = await database.OpenAsync();
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, [], Cancellation);

        Assert.Equal(["history", "own"], tables.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["id"], tables["history"].PrimaryKey.AsEnumerable());
        var own = tables["own"];
        Assert.Equal(["uuid", "inet6", "int", "int", "longtext", "varchar"], own.Columns.Select(c => c.DataType));
        Assert.Equal(("uuid()", true), (own.Columns[0].Default, own.Columns[0].DefaultIsExpression));
        Assert.Equal(("uuid()", false), (own.Columns[5].Default, own.Columns[5].DefaultIsExpression));
        Assert.Equal(GeneratedColumn.Stored, own.Columns[3].Generated);
        Assert.Null(own.Columns[0].CharacterSet);
    }

    [Fact]
    public async Task MySql_functional_keys_are_no_unique_columns_and_statistics_are_fresh()
    {
        await using var database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT NOT NULL, UNIQUE KEY f ((a + 1)), UNIQUE KEY ia (id, a))");
        await using var connection = await database.OpenAsync();
        var before = (await SchemaInspector.InspectAsync(connection, database.Name, [], Cancellation))["t"];
        Assert.Equal("ia", Assert.Single(before.UniqueKeys).Name);
        Assert.Equal(["f"], before.PartialKeys.AsEnumerable());

        // The dictionary's own copy of the statistics would say no rows until tomorrow.
        await database.ExecuteAsync("SELECT TABLE_ROWS FROM information_schema.TABLES; INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, i FROM n; SELECT COUNT(*) FROM t");
        await using (var analyze = new MySqlCommand("ALTER TABLE t ENGINE = InnoDB", connection))
        {
            await analyze.ExecuteNonQueryAsync(Cancellation);
        }

        var after = (await SchemaInspector.InspectAsync(connection, database.Name, [], Cancellation))["t"];
        Assert.InRange(after.EstimatedRows, 700, 1100);
        Assert.True(after.AverageRowBytes > 0);
        await using var expiry = new MySqlCommand("SELECT @@information_schema_stats_expiry", connection);
        Assert.Equal(86400L, Convert.ToInt64(await expiry.ExecuteScalarAsync(Cancellation), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Names_that_differ_in_case_are_different_tables_where_the_server_says_so()
    {
        await using var database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE Bill (id INT PRIMARY KEY); CREATE TABLE bill (id INT PRIMARY KEY, x INT)");
        await using var connection = await database.OpenAsync();
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, ["Bill"], Cancellation);
        Assert.Single(Assert.Single(tables).Value.Columns);
        Assert.False(tables.ContainsKey("bill"));
    }

    internal static Task<System.Collections.Immutable.ImmutableDictionary<string, TableSchema>> InspectAsync(MySqlConnection connection, string database, string table) =>
        SchemaInspector.InspectAsync(connection, database, [table], Cancellation);

    [Fact]
    public void Members_are_taken_apart_at_their_quotes() =>
        Assert.Equal(["", "'", "\\", ",',", "\r\0x"], ColumnDescription.Members(@"enum('','''','\\',','',','\r\0\x')").AsEnumerable());
}
