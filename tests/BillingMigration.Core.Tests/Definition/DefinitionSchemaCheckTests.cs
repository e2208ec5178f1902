using System.Collections.Immutable;
using System.Text.RegularExpressions;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Definition;

/// <summary>Each way in which a definition and the tables can disagree, one at a time.</summary>
public sealed class DefinitionSchemaCheckTests(TestServers servers)
{
    private const string Good = """
        {
          "name": "shop", "source": { "host": "h", "database": "d" }, "target": { "table": "ttt" },
          "indexes": [{ "name": "gsi1", "include": ["total", "entity"] }],
          "entities": [
            { "entity": "ACCOUNT", "table": "account", "pk": "ACCOUNT#{id}", "sk": "ACCOUNT", "columns": { "iban": { "sensitive": true } } },
            { "entity": "BILL", "table": "bill", "pk": "ACCOUNT#{acc.id}", "sk": "BILL#{bill_date}#{id:D20}",
              "lookups": { "acc": { "table": "account", "on": { "account_no": "no" } } },
              "indexes": { "gsi1": { "pk": "BILL#{bill_date:yyyy-MM}#{id%16}", "sk": "{paid_at}#{id:D20}", "when": { "column": "status", "in": ["OPEN"] } } },
              "columns": { "total": { "type": "S" } }
            }
          ]
        }
        """;

    private static readonly ImmutableArray<TableSchema> Tables =
    [
        Table("account", "id bigint key|no varchar(20)|iban varchar(34) null|note text null", uniqueKeys: ["no"]),
        Table(
            "bill",
            "id bigint key|account_no varchar(20)|code varchar(10)|maybe varchar(10) null|bill_date date|at datetime|touched timestamp update|status enum('OPEN','PAID')|total decimal(14,2)|paid_at datetime null|doc json null|price double|flags bit(8)|scan blob null|hash binary(32)",
            uniqueKeys: ["code", "maybe"],
            foreignKeys: [new ForeignKeySchema("f", ["account_no"], "account", ["no"], "RESTRICT", "RESTRICT")]),
    ];

    [Fact]
    public void The_definition_without_a_mistake_fits() => Assert.Empty(Check(Good, Tables));

    [Theory]
    [InlineData("\"table\": \"bill\"", "\"table\": \"bills\"", "$.entities[1].table", "no table 'bills'", "Did you mean 'bill'?", 2)]
    [InlineData("\"include\": [\"total\"", "\"include\": [\"totals\"", "$.indexes[0].include[0]", "No entity has an attribute 'totals'", "Did you mean 'total'?")]
    [InlineData("\"iban\": {", "\"ibann\": {", "$.entities[0].columns.ibann", "no column 'ibann'", "Did you mean 'iban'?")]
    [InlineData("ACCOUNT#{id}", "ACCOUNT#{idd}#{id}", "$.entities[0].pk", "'idd'", "Did you mean 'id'?")]
    [InlineData("{acc.id}", "{acc.account}", "$.entities[1].pk", "table 'account' does not have", "Known")]
    [InlineData("{paid_at}", "{paidat}", "$.entities[1].indexes.gsi1.sk", "'paidat'", "Did you mean 'paid_at'?")]
    [InlineData("\"column\": \"status\"", "\"column\": \"state\"", "$.entities[1].indexes.gsi1.when.column", "no column 'state'", "Known")]
    [InlineData("\"in\": [\"OPEN\"]", "\"in\": [\"OPEN\", \"PAYED\"]", "$.entities[1].indexes.gsi1.when.in", "'PAYED' is no member", "OPEN, PAID")]
    [InlineData("\"column\": \"status\"", "\"column\": \"doc\"", "$.entities[1].indexes.gsi1.when.column", "cannot look at", "status")]
    [InlineData("\"table\": \"account\", \"on\"", "\"table\": \"acount\", \"on\"", "$.entities[1].lookups.acc.table", "no table 'acount'", "Did you mean 'account'?")]
    [InlineData("\"account_no\": \"no\"", "\"acc_no\": \"no\"", "$.entities[1].lookups.acc.on", "'bill' has no column 'acc_no'", "")]
    [InlineData("\"account_no\": \"no\"", "\"account_no\": \"nr\"", "$.entities[1].lookups.acc.on", "'account' has no column 'nr'", "Did you mean 'no'?")]
    [InlineData("\"account_no\": \"no\"", "\"code\": \"no\"", "$.entities[1].lookups.acc.on", "No foreign key", "foreign key")]
    // Keys.
    [InlineData("#{id:D20}\",\n      \"lookups", "\",\n      \"lookups", "$.entities[1].sk", "could get the same key", "Add {id}")]
    [InlineData("BILL#{bill_date}#{id:D20}", "BILL#{id%16}", "$.entities[1].sk", "could get the same key", "Add {id}")]
    [InlineData("BILL#{bill_date}#{id:D20}", "BILL#{maybe}", "$.entities[1].sk", "could get the same key", "Add {id}", 3)]
    [InlineData("BILL#{bill_date}", "BILL#{paid_at}", "$.entities[1].sk", "may be NULL", "NOT NULL")]
    [InlineData("BILL#{bill_date}", "BILL#{touched}", "$.entities[1].sk", "changes with every change", "creation time")]
    [InlineData("BILL#{bill_date}", "BILL#{price}", "$.entities[1].sk", "cannot be part of a key", "integers")]
    [InlineData("BILL#{bill_date}", "BILL#{flags}", "$.entities[1].sk", "cannot be part of a key", "integers")]
    [InlineData("{paid_at}", "{doc}", "$.entities[1].indexes.gsi1.sk", "cannot be part of a key", "integers")]
    [InlineData("{paid_at}", "{scan}", "$.entities[1].indexes.gsi1.sk", "cannot be part of a key", "integers")]
    [InlineData("BILL#{bill_date}", "BILL#{code:D5}", "$.entities[1].sk", "for integers", "Write {code}")]
    [InlineData("BILL#{bill_date}", "BILL#{code:yyyy}", "$.entities[1].sk", "DATE, DATETIME and TIMESTAMP", "Write {code}")]
    [InlineData("{id%16}", "{total%16}", "$.entities[1].indexes.gsi1.pk", "shards", "primary key")]
    [InlineData("{paid_at}#{id:D20}", "{paid_at}#{id:D5}", "$.entities[1].indexes.gsi1.sk", "can have 19", "D19", 1, DefinitionSeverity.Warning)]
    [InlineData("BILL#{bill_date}#", "BILL#{account_no}#", "$.entities[1].sk", "collation utf8mb4_general_ci", "Write {account_no:collated} here", 1, DefinitionSeverity.Warning)]
    [InlineData("BILL#{bill_date}#", "BILL#{code}#", "$.entities[1].sk", "takes different texts for equal", "Write {code:collated}", 1, DefinitionSeverity.Warning)]
    [InlineData("BILL#{bill_date}#", "BILL#{bill_date:collated}#", "$.entities[1].sk", "only CHAR and VARCHAR", "Write {bill_date}")]
    [InlineData("\"total\": { \"type\": \"S\" }", "\"bill_date\": { \"sensitive\": true }", "$.entities[1].sk", "sensitive column 'bill_date'", "another column", 2)]
    // Columns.
    [InlineData("\"total\": { \"type\": \"S\" }", "\"code\": { \"type\": \"N\" }", "$.entities[1].columns.code.type", "cannot become", "N is for numbers")]
    [InlineData("\"total\": { \"type\": \"S\" }", "\"code\": { \"type\": \"B\" }", "$.entities[1].columns.code.type", "cannot become", "B for binary")]
    [InlineData("\"total\": { \"type\": \"S\" }", "\"hash\": { \"type\": \"S\" }", "$.entities[1].columns.hash.type", "cannot become", "Remove")]
    [InlineData("\"total\": { \"type\": \"S\" }", "\"code\": { \"attribute\": \"flags\" }", "$.entities[1].columns", "'code' and 'flags'", "another \"attribute\"")]
    [InlineData("\"total\": { \"type\": \"S\" }", "\"price\": { \"exclude\": true }", "$.entities[1].columns.price.exclude", "without a default", "default", 1, DefinitionSeverity.Warning)]
    public void A_disagreement_is_reported(
        string good, string bad, string place, string problem, string remedy, int problems = 1, DefinitionSeverity severity = DefinitionSeverity.Error)
    {
        Assert.Contains(good, Good, StringComparison.Ordinal);
        var found = Check(Good.Replace(good, bad, StringComparison.Ordinal), Tables);

        var reported = found.FirstOrDefault(p => PathOf(p) == place && p.Problem.Contains(problem, StringComparison.Ordinal));
        Assert.True(reported is not null, $"not reported; found:\n{string.Join('\n', found)}");
        Assert.Contains(remedy, reported.Remedy, StringComparison.Ordinal);
        Assert.Equal(severity, reported.Severity);
        // A missing table also leaves nothing to compare what depends on it with.
        Assert.InRange(found.Length, 1, problems);
    }

    /// <summary>Children that change with their parent, unseen by the binlog, must be found without reading the whole table.</summary>
    [Theory]
    [InlineData("CASCADE", "RESTRICT", "", 1)]
    [InlineData("SET NULL", "RESTRICT", "", 1)]
    [InlineData("RESTRICT", "CASCADE", "", 0)]
    [InlineData("RESTRICT", "NO ACTION", "", 0)]
    [InlineData("CASCADE", "CASCADE", """, "gsi2": { "pk": "ACCOUNT#{total}", "sk": "{id}" }""", 0)]
    [InlineData("CASCADE", "CASCADE", """, "gsi2": { "pk": "ACCOUNT#{total}", "sk": "{paid_at}" }""", 1)]
    [InlineData("CASCADE", "CASCADE", """, "gsi2": { "pk": "ACCOUNT#{total}#{id}", "sk": "{id}" }""", 1)]
    [InlineData("CASCADE", "CASCADE", """, "gsi2": { "pk": "ACCOUNT#{total}", "sk": "{id}", "when": { "column": "status", "in": ["OPEN"] } }""", 1)]
    public void A_foreign_key_that_acts_needs_an_index_on_its_columns(string onDelete, string onUpdate, string index, int problems)
    {
        var bill = Tables[1] with { ForeignKeys = [.. Tables[1].ForeignKeys, new ForeignKeySchema("g", ["total"], "account", ["id"], onDelete, onUpdate)] };
        var json = Good.Replace("[{ \"name\": \"gsi1\"", index.Length == 0 ? "[{ \"name\": \"gsi1\"" : "[{ \"name\": \"gsi2\" }, { \"name\": \"gsi1\"", StringComparison.Ordinal).Replace("\"in\": [\"OPEN\"] } } }", "\"in\": [\"OPEN\"] } }" + index + " }", StringComparison.Ordinal);
        var found = Check(json, [Tables[0], bill]).Where(p => PathOf(p) == "$.entities[1].indexes").ToArray();
        Assert.Equal(problems, found.Length);
        Assert.All(found, p => Assert.Contains("made of total alone", p.Remedy, StringComparison.Ordinal));
    }

    [Fact]
    public void A_table_without_a_primary_key_is_refused()
    {
        var found = Check(Good, [Tables[0] with { PrimaryKey = [] }, Tables[1]]);
        Assert.Equal(("$.entities[0].table", true), (PathOf(Assert.Single(found)), found[0].Problem.Contains("no primary key", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_primary_key_column_cannot_be_excluded()
    {
        var json = Good.Replace("ACCOUNT#{id}", "ACCOUNT#{no}", StringComparison.Ordinal).Replace("\"iban\": { \"sensitive\": true }", "\"id\": { \"exclude\": true }", StringComparison.Ordinal);
        Assert.Contains(Check(json, Tables), p => PathOf(p) == "$.entities[0].columns.id.exclude" && p.Severity == DefinitionSeverity.Error);
    }

    [Theory]
    [InlineData("id", "part of the primary key")]
    [InlineData("no", "part of the unique key")]
    public void A_column_of_a_key_cannot_be_encrypted(string column, string problem)
    {
        var definition = Good.Replace("\"table\": \"ttt\"", "\"table\": \"ttt\", \"encryption\": { \"kmsKeyId\": \"alias/billing\" }", StringComparison.Ordinal)
            .Replace("ACCOUNT#{id}", "ACCOUNT#{uid}", StringComparison.Ordinal).Replace("{acc.id}", "{acc.uid}", StringComparison.Ordinal).Replace("\"iban\": { \"sensitive\": true }", $"\"{column}\": {{ \"encrypt\": true }}", StringComparison.Ordinal);
        ImmutableArray<TableSchema> tables = [Table("account", "id bigint key|uid bigint|no varchar(20)", uniqueKeys: ["no", "uid"]), Tables[1]];
        var found = Assert.Single(Check(definition, tables));
        Assert.Equal($"$.entities[0].columns.{column}.encrypt", PathOf(found));
        Assert.Contains(problem, found.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lookup_to_columns_that_are_not_unique_is_refused()
    {
        var found = Check(Good, [Tables[0] with { UniqueKeys = [] }, Tables[1]]);
        Assert.Contains("not unique in 'account'", Assert.Single(found).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lookup_over_a_nullable_column_cannot_make_a_base_key()
    {
        var columns = Tables[1].Columns.Select(c => c.Name == "account_no" ? c with { Nullable = true } : c).ToImmutableArray();
        var found = Check(Good, [Tables[0], Tables[1] with { Columns = columns }]);
        Assert.Contains("follows 'account_no', which may be NULL", Assert.Single(found).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_unique_key_without_NULLs_makes_rows_distinct_too() =>
        Assert.Empty(Check(Good.Replace("BILL#{bill_date}#{id:D20}", "BILL#{code:collated}", StringComparison.Ordinal), Tables));

    [Fact]
    public void Nothing_is_said_of_a_foreign_key_that_stands_in_the_key_as_its_collation_compares_it() =>
        Assert.Empty(Check(Good.Replace("BILL#{bill_date}#", "BILL#{account_no:collated}#", StringComparison.Ordinal), Tables));

    [Fact]
    public void A_collation_that_only_the_server_knows_is_named_with_what_to_do_instead()
    {
        var columns = Tables[1].Columns.Select(c => c.Name == "code" ? c with { CharacterSet = "latin2", Collation = "latin2_czech_cs" } : c).ToImmutableArray();
        var found = Assert.Single(Check(Good.Replace("BILL#{bill_date}#", "BILL#{code:collated}#", StringComparison.Ordinal), [Tables[0], Tables[1] with { Columns = columns }]));
        Assert.Equal("$.entities[1].sk", PathOf(found));
        Assert.Contains("code has the collation latin2_czech_cs", found.Problem, StringComparison.Ordinal);
        Assert.Contains("Write {code} and have applications write equal texts alike", found.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void A_column_with_a_reserved_name_needs_another()
    {
        var tables = new[] { Tables[0] with { Columns = Tables[0].Columns.Add(Column("gsi1pk int null", 9)) }, Tables[1] };
        Assert.Contains("'gsi1pk', which is the migration's own", Assert.Single(Check(Good, [.. tables])).Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_sample_fits_its_schema_on_a_real_server(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken));
        await using var connection = await database.OpenAsync();
        var definition = MigrationDefinitionFile.Load(Repository.PathOf("examples", "sample", "migration.json"));
        var names = DefinitionSchemaCheck.TablesOf(definition);
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, names, TestContext.Current.CancellationToken);
        Assert.Equal(6, tables.Count);
        Assert.Empty(DefinitionSchemaCheck.Check(definition, tables));
    }

    private static ImmutableArray<DefinitionProblem> Check(string json, ImmutableArray<TableSchema> tables) =>
        DefinitionSchemaCheck.Check(MigrationDefinitionFile.Parse(json, null), tables.ToDictionary(t => t.Name));

    private static TableSchema Table(string name, string columns, string[] uniqueKeys, ForeignKeySchema[]? foreignKeys = null) => new()
    {
        Database = "d",
        Name = name,
        Columns = [.. columns.Split('|').Select((text, i) => Column(text, i + 1))],
        PrimaryKey = [.. columns.Split('|').Where(c => c.EndsWith(" key", StringComparison.Ordinal)).Select(c => c.Split(' ')[0])],
        UniqueKeys = [.. uniqueKeys.Select(c => new UniqueKeySchema(c, [c]))],
        ForeignKeys = [.. foreignKeys ?? []],
    };

    private static ColumnSchema Column(string text, int ordinal)
    {
        var words = text.Split(' ');
        var type = words[1].Split('(')[0];
        return new ColumnSchema
        {
            Name = words[0],
            Ordinal = ordinal,
            DataType = type,
            ColumnType = words[1],
            Nullable = words.Contains("null"),
            HasDefault = words.Contains("null"),
            UpdatedAutomatically = words.Contains("update"),
            Collation = type is "varchar" or "enum" ? "utf8mb4_general_ci" : null,
            Members = type == "enum" ? [.. words[1][5..^1].Split(',').Select(m => m.Trim('\''))] : [],
        };
    }

    /// <summary>Every problem has its line too.</summary>
    private static string PathOf(DefinitionProblem problem) => Regex.Match(problem.Place, @"^(.*) \(line \d+\)$").Groups[1].Value;
}
