using BillingMigration.Definition;

namespace BillingMigration.Tests.Definition;

/// <summary>Each kind of mistake, one at a time, put into a definition that is good without it.</summary>
public sealed class DefinitionMistakeTests
{
    internal const string Good = """
        {
          "name": "shop", // comments and trailing commas are allowed
          "source": { "host": "127.0.0.1", "port": 3306, "database": "shop",
            "tls": { "mode": "VerifyFull" }
          },
          "target": { "region": "eu-central-1",
            "table": "billing", "tags": { "team": "x" }
          },
          "paths": [
            { "name": "dx", "kind": "DirectConnect", "source": { "host": "10.0.0.1" }, "target": { "endpointUrl": "https://vpce-1.example.org" } },
            { "name": "vpn", "kind": "Vpn" }
          ],
          "throttle": { "itemsPerSecond": 1000, "readers": 4, "writers": 16 },
          "indexes": [
            { "name": "gsi1", "include": ["total"] },
          ],
          "entities": [
            { "entity": "ACCOUNT", "table": "account",
              "pk": "ACCOUNT#{id}",
              "sk": "ACCOUNT",
              "columns": { "iban": { "sensitive": true }, "total": { "attribute": "sum", "type": "N" } }
            },
            { "entity": "BILL", "table": "bill",
              "pk": "ACCOUNT#{acc.id}",
              "sk": "BILL#{bill_date}#{no:D20}",
              "lookups": { "acc": { "table": "account", "on": { "account_no": "no" } } },
              "indexes": {
                "gsi1": { "pk": ["BILL#{no}", "X#{other}"], "sk": "BILL", "when": { "column": "status", "in": ["OPEN"] } }
              }
            },
          ],
        }
        """;

    [Fact]
    public void The_definition_without_a_mistake_is_good() => Assert.Empty(MigrationDefinitionFile.Check(Good));

    [Theory]
    [InlineData("the password is hunter2, do not tell")]
    [InlineData("name: shop\npassword: hunter2")]
    [InlineData("{ \"name\": top'secret' hunter2 }")]
    public void What_is_not_JSON_is_not_quoted(string text)
    {
        var problem = Assert.Single(MigrationDefinitionFile.Check(text));
        Assert.StartsWith("This is not JSON: ", problem.Problem, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", problem.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    // Properties and types.
    [InlineData("\"host\": \"127", "\"hots\": \"127", "$.source.hots", "'hots' is unknown", "Did you mean 'host'?", 2)]
    [InlineData("\"throttle\": {", "\"trottle\": {", "$.trottle", "'trottle' is unknown", "Did you mean 'throttle'?")]
    [InlineData("\"region\": \"eu-central-1\"", "\"zzz\": 1", "$.target.zzz", "'zzz' is unknown", "Known: region, endpointUrl")]
    [InlineData("\"name\": \"shop\",", "", "$", "no 'name'", "Add \"name\"")]
    [InlineData("\"database\": \"shop\",", "", "$.source", "no 'database'", "Add \"database\"")]
    [InlineData("\"table\": \"account\",", "", "$.entities[0]", "no 'table'", "Add \"table\"")]
    [InlineData("\"in\": [\"OPEN\"]", "", "$.entities[1].indexes.gsi1.when", "no 'in'", "Add \"in\"")]
    [InlineData("3306", "\"3306\"", "$.source.port", "is a string; it must be a number", "without quotes")]
    [InlineData("\"table\": \"billing\"", "\"table\": 5", "$.target.table", "is a number; it must be a string", "double quotes")]
    [InlineData("\"table\": \"billing\"", "\"table\": null", "$.target.table", "is null", "leave the property out")]
    [InlineData("\"database\": \"shop\"", "\"database\": \" \"", "$.source.database", "empty", "Fill it in")]
    [InlineData("{ \"sensitive\": true }", "{ \"sensitive\": \"yes\" }", "$.entities[0].columns.iban.sensitive", "must be true or false", "without quotes")]
    [InlineData("{ \"sensitive\": true }", "true", "$.entities[0].columns.iban", "must be an object", "{ … }")]
    [InlineData("{ \"team\": \"x\" }", "[]", "$.target.tags", "is a list; it must be an object", "{ … }")]
    [InlineData("[\"total\"]", "\"total\"", "$.indexes[0].include", "must be a list", "[ … ]")]
    [InlineData("\"port\": 3306", "\"port\": 1, \"port\": 3306", "$.source.port", "2 times", "Keep one")]
    [InlineData("\"acc\": {", "\"acc\": { \"table\": \"account\", \"on\": { \"a\": \"b\" } }, \"ACC\": {", "$.entities[1].lookups.ACC", "2 times", "Keep one")]
    // Ranges and names.
    [InlineData("3306", "70000", "$.source.port", "70000", "from 1 to 65535")]
    [InlineData("3306", "33.5", "$.source.port", "33.5", "whole number")]
    [InlineData("\"shop\", //", "\"my shop\", //", "$.name", "'my shop'", "1 to 64")]
    [InlineData("127.0.0.1", "db:3306", "$.source.host", "not a host name", "\"port\"")]
    [InlineData("eu-central-1", "Frankfurt", "$.target.region", "'Frankfurt'", "eu-central-1")]
    [InlineData("\"billing\"", "\"bi\"", "$.target.table", "'bi'", "3 to 255")]
    [InlineData("\"billing\"", "\"bil ling\"", "$.target.table", "'bil ling'", "3 to 255")]
    [InlineData("\"billing\"", "\"billing\", \"controlTable\": \"billing\"", "$.target.controlTable", "same name", "billing-migration")]
    [InlineData("\"billing\"", "\"billing\", \"controlTable\": \"c!\"", "$.target.controlTable", "'c!'", "3 to 255")]
    [InlineData("\"billing\"", "\"billing\", \"billingMode\": \"payperrequest\"", "$.target.billingMode", "'payperrequest'", "Did you mean 'PayPerRequest'?")]
    [InlineData("\"billing\"", "\"billing\", \"billingMode\": \"Provisioned\", \"readCapacityUnits\": 5", "$.target.billingMode", "no 'writeCapacityUnits'", "Add")]
    [InlineData("\"billing\"", "\"billing\", \"writeCapacityUnits\": 5", "$.target.writeCapacityUnits", "no meaning", "Provisioned")]
    [InlineData("\"billing\"", "\"billing\", \"pricePerMillionWriteUnits\": -1", "$.target.pricePerMillionWriteUnits", "-1", "0 or more")]
    [InlineData("\"team\"", "\"aws:team\"", "$.target.tags['aws:team']", "'aws:team'", "do not begin with aws:")]
    [InlineData("\"kind\": \"Vpn\"", "\"kind\": \"VPN \"", "$.paths[1].kind", "'VPN '", "Vpn")]
    [InlineData("\"name\": \"vpn\"", "\"name\": \"dx\"", "$.paths[1].name", "already at $.paths[0]", "own name")]
    [InlineData("\"itemsPerSecond\": 1000", "\"itemsPerSecond\": 0", "$.throttle.itemsPerSecond", "0", "above 0")]
    [InlineData("\"itemsPerSecond\": 1000", "\"bytesPerSecond\": -5", "$.throttle.bytesPerSecond", "-5", "above 0")]
    [InlineData("\"itemsPerSecond\": 1000", "\"rowsPerSecond\": 1e999", "$.throttle.rowsPerSecond", "1e999", "above 0")]
    [InlineData("\"itemsPerSecond\": 1000", "\"maxThreadsRunning\": 0", "$.throttle.maxThreadsRunning", "0", "whole number")]
    [InlineData("\"readers\": 4", "\"readers\": 65", "$.throttle.readers", "65", "from 1 to 64")]
    [InlineData("\"writers\": 16", "\"writers\": 257", "$.throttle.writers", "257", "from 1 to 256")]
    [InlineData("\"type\": \"N\"", "\"type\": \"number\"", "$.entities[0].columns.total.type", "'number'", "S, N, B")]
    [InlineData("\"sensitive\": true", "\"exclude\": true, \"type\": \"S\"", "$.entities[0].columns.iban", "excluded", "Remove")]
    [InlineData("\"ACCOUNT\", \"table\"", "\"1 ACCOUNT\", \"table\"", "$.entities[0].entity", "'1 ACCOUNT'", "beginning with a letter")]
    // Security.
    [InlineData("\"port\": 3306", "\"password\": \"hunter2\"", "$.source.password", "'password' looks like a secret", "-SourceCredential")]
    [InlineData("\"port\": 3306", "\"user\": \"root\"", "$.source.user", "'user'", "-SourceCredential")]
    [InlineData("\"region\"", "\"secretAccessKey\": \"x\", \"region\"", "$.target.secretAccessKey", "looks like a secret", "-SourceCredential")]
    [InlineData("\"region\"", "\"secretKey\": \"x\", \"region\"", "$.target.secretKey", "looks like a secret", "-Credential")]
    [InlineData("\"team\"", "\"api-token\"", "$.target.tags.api-token", "looks like a secret", "Remove")]
    [InlineData("\"region\"", "\"endpointUrl\": \"http://ddb.example.org\", \"region\"", "$.target.endpointUrl", "without TLS", "https")]
    [InlineData("\"region\"", "\"endpointUrl\": \"https://u:p@ddb.example.org\", \"region\"", "$.target.endpointUrl", "user name or password", "Remove it")]
    [InlineData("\"region\"", "\"endpointUrl\": \"ddb.example.org\", \"region\"", "$.target.endpointUrl", "not an endpoint URL", "https://")]
    [InlineData("\"region\"", "\"endpointUrl\": \"https://ddb.example.org/x\", \"region\"", "$.target.endpointUrl", "path or query", "host and port only")]
    [InlineData("https://vpce-1.example.org", "http://vpce-1.example.org", "$.paths[0].target.endpointUrl", "without TLS", "https")]
    [InlineData("\"mode\": \"VerifyFull\"", "\"mode\": \"None\"", "$.paths[0].source.host", "in the clear", "VerifyFull")]
    [InlineData("\"mode\": \"VerifyFull\"", "\"mode\": \"VerifyCA\"", "$.source.tls.mode", "without a caFile", "caFile")]
    [InlineData("\"mode\": \"VerifyFull\"", "\"caFile\": \"/no/such/ca.pem\"", "$.source.tls.caFile", "no file '/no/such/ca.pem'", "PEM")]
    // Indexes, lookups, attributes.
    [InlineData("{ \"name\": \"gsi1\", \"include\": [\"total\"] },", "{ \"name\": \"gsi1\" }, { \"name\": \"gsi1\" },", "$.indexes[1].name", "already at $.indexes[0]", "own name")]
    [InlineData("{ \"name\": \"gsi1\", \"include\": [\"total\"] },", "{ \"name\": \"gsi1\" }, { \"name\": \"g2\" },", "$.indexes[1].name", "'g2'", "3 to 255")]
    [InlineData("{ \"name\": \"gsi1\", \"include\": [\"total\"] },", "{ \"name\": \"gsi1\" }, { \"name\": \"gsi9\" },", "$.indexes[1]", "No entity uses the index 'gsi9'", "Remove it")]
    [InlineData("[\"total\"]", "[\"gsi1pk\"]", "$.indexes[0].include[0]", "always in the index", "Remove it")]
    [InlineData("[\"total\"]", "[\"total\", \"total\"]", "$.indexes[0].include[1]", "twice", "Remove one")]
    [InlineData("[\"total\"]", "[\"a1\",\"a2\",\"a3\",\"a4\",\"a5\",\"a6\",\"a7\",\"a8\",\"a9\",\"a10\",\"a11\",\"a12\",\"a13\",\"a14\",\"a15\",\"a16\",\"a17\",\"a18\",\"a19\",\"a20\",\"a21\"]", "$.indexes[0].include", "21 attributes", "at most 20")]
    [InlineData("\"entity\": \"BILL\"", "\"entity\": \"account\"", "$.entities[1].entity", "already at $.entities[0]", "own name")]
    [InlineData("\"table\": \"bill\"", "\"table\": \"account\"", "$.entities[1].table", "already at $.entities[0]", "One table is one entity")]
    [InlineData("\"lookups\": { \"acc\": { \"table\": \"account\", \"on\": { \"account_no\": \"no\" } } },", "", "$.entities[1].pk", "lookup 'acc'", "Add it under \"lookups\"")]
    [InlineData("{acc.id}", "{acc_id}", "$.entities[1].lookups.acc", "uses the lookup 'acc'", "{acc.column}")]
    [InlineData("{ \"account_no\": \"no\" }", "{ }", "$.entities[1].lookups.acc.on", "joins on no column", "foreign key")]
    [InlineData("\"in\": [\"OPEN\"]", "\"in\": []", "$.entities[1].indexes.gsi1.when.in", "empty", "at least one value")]
    [InlineData("\"attribute\": \"sum\"", "\"attribute\": \"iban\"", "$.entities[0].columns.total.attribute", "'iban' and 'total'", "another \"attribute\"")]
    [InlineData("\"attribute\": \"sum\"", "\"attribute\": \"gsi1sk\"", "$.entities[0].columns.total.attribute", "migration's own", "another name")]
    [InlineData("\"attribute\": \"sum\"", "\"attribute\": \"id\"", "$.entities[0].columns", "both become the attribute 'id'", "another \"attribute\"")]
    [InlineData("\"iban\": {", "\"entity\": {", "$.entities[0].columns.entity", "migration's own", "another name")]
    [InlineData("\"iban\": { \"sensitive\": true }", "\"ID\": { \"exclude\": true }", "$.entities[0].pk", "excluded", "Migrate the column")]
    // Encryption.
    [InlineData("{ \"sensitive\": true }", "{ \"encrypt\": true }", "$.entities[0].columns.iban.encrypt", "no data key", "\"encryption\"")]
    [InlineData("\"table\": \"billing\"", "\"table\": \"billing\", \"encryption\": { \"kmsKeyId\": \"alias/b\" }", "$.target.encryption", "No column is encrypted", "Remove")]
    [InlineData("\"table\": \"billing\"", "\"table\": \"billing\", \"encryption\": { \"kmsKeyId\": \"alias/b\", \"kmsEndpointUrl\": \"http://kms.example.org\" }", "$.target.encryption.kmsEndpointUrl", "without TLS", "https", 2)]
    [InlineData("\"iban\": { \"sensitive\": true }", "\"id\": { \"encrypt\": true }", "$.entities[0].pk", "which is encrypted: the key would show it", "another column", 3)]
    [InlineData("\"lookups\": { \"acc\"", "\"columns\": { \"status\": { \"encrypt\": true } }, \"lookups\": { \"acc\"", "$.entities[1].indexes.gsi1.when", "looks at the column 'status', which is encrypted", "another column", 2)]
    [InlineData("{ \"sensitive\": true }", "{ \"exclude\": true, \"encrypt\": true }", "$.entities[0].columns.iban", "excluded", "Remove", 2)]
    // Views.
    [InlineData("\"name\": \"shop\",", "\"name\": \"shop\", \"views\": { \"v\": { \"columns\": { \"ACOUNT\": [\"id\"] } } },", "$.views.v.columns.ACOUNT", "no entity 'ACOUNT'", "Did you mean 'ACCOUNT'?")]
    [InlineData("\"name\": \"shop\",", "\"name\": \"shop\", \"views\": { \"v\": { \"columns\": { \"ACCOUNT\": [\"iban\"] } } },", "$.views.v.columns.ACCOUNT", "not ACCOUNT.id, which its key shows", "Add \"id\"")]
    [InlineData("\"name\": \"shop\",", "\"name\": \"shop\", \"views\": { \"v\": { \"columns\": { \"BILL\": [\"bill_date\", \"no\"] } } },", "$.views.v.columns.BILL", "not ACCOUNT.id, which its key shows", "to the columns of ACCOUNT")]
    [InlineData("\"name\": \"shop\",", "\"name\": \"shop\", \"views\": { \"v\": { \"columns\": { } } },", "$.views.v.columns", "shows nothing", "ENTITY")]
    // Keys.
    [InlineData("\"ACCOUNT#{id}\"", "\"\"", "$.entities[0].pk", "empty", "Fill it in")]
    [InlineData("\"ACCOUNT#{id}\"", "\"ACCOUNT#{id\"", "$.entities[0].pk", "never closes", "Write it like")]
    [InlineData("\"X#{other}\"", "\"X#{other:X5}\"", "$.entities[1].indexes.gsi1.pk[1]", "format 'X5'", "D1 to D20")]
    [InlineData("\"BILL\", \"when\"", "[], \"when\"", "$.entities[1].indexes.gsi1.sk", "list of key templates is empty", "one template")]
    [InlineData("\"BILL#{bill_date}#{no:D20}\"", "\"{status}\"", "$.entities[1].sk", "could get the same key", "word of its own")]
    public void A_mistake_is_reported_once_with_place_and_remedy(string good, string bad, string path, string problem, string remedy, int problems = 1)
    {
        var at = Good.IndexOf(good, StringComparison.Ordinal);
        Assert.True(at >= 0, $"'{good}' is not in the good definition");
        var found = MigrationDefinitionFile.Check(Good[..at] + bad + Good[(at + good.Length)..]);

        var reported = Assert.Single(found, p => p.Place.StartsWith(path + " (line ", StringComparison.Ordinal));
        Assert.Contains(problem, reported.Problem, StringComparison.Ordinal);
        Assert.Contains(remedy, reported.Remedy, StringComparison.Ordinal);
        Assert.Equal(DefinitionSeverity.Error, reported.Severity);
        Assert.True(found.Length == problems, string.Join('\n', found));
        Assert.DoesNotContain("hunter2", string.Join('\n', found), StringComparison.Ordinal);
    }

    [Fact]
    public void TLS_mode_None_is_for_a_loopback_source_only()
    {
        var remote = Good.Replace("127.0.0.1", "db.example.org", StringComparison.Ordinal).Replace("VerifyFull", "None", StringComparison.Ordinal).Replace("10.0.0.1", "::1", StringComparison.Ordinal);
        var problem = Assert.Single(MigrationDefinitionFile.Check(remote));
        Assert.StartsWith("$.source.tls.mode (line 4)", problem.Place, StringComparison.Ordinal);
        Assert.Contains("db.example.org", problem.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_come_at_once_in_the_order_of_their_lines()
    {
        var bad = Good.Replace("3306", "0", StringComparison.Ordinal).Replace("\"billing\"", "\"b\"", StringComparison.Ordinal)
            .Replace("\"readers\": 4", "\"readers\": 0", StringComparison.Ordinal).Replace("{no:D20}", "{no:D21}", StringComparison.Ordinal);
        var error = Assert.Throws<MigrationException>(() => MigrationDefinitionFile.Parse(bad, null));

        Assert.Equal("InvalidDefinition", error.ErrorId);
        Assert.Equal(MigrationErrorKind.InvalidDefinition, error.Kind);
        var problems = Assert.IsAssignableFrom<IReadOnlyList<DefinitionProblem>>(error.Target);
        Assert.Equal(
            ["$.source.port (line 3)", "$.target.table (line 7)", "$.throttle.readers (line 13)", "$.entities[1].sk (line 25)"], problems.Select(p => p.Place));
        var lines = error.Message.Split('\n');
        Assert.Equal("migration.json has 4 mistakes:", lines[0]);
        Assert.Equal(problems.Select(p => p.ToString()), lines[1..]);
    }

    [Theory]
    [InlineData("{ \"name\": \"x\"\n  \"source\": {} }", "line 2")]
    [InlineData("", "line 1")]
    [InlineData("{ \"name\": ", "line 1")]
    [InlineData("{} {}", "line 1")]
    public void What_is_not_JSON_is_told_with_its_line(string json, string place)
    {
        var problem = Assert.Single(MigrationDefinitionFile.Check(json));
        Assert.Contains(place, problem.Place, StringComparison.Ordinal);
        Assert.Contains("not JSON", problem.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("\"x\"")]
    public void A_root_that_is_no_object_is_one_mistake(string json) =>
        Assert.Contains("must be an object", Assert.Single(MigrationDefinitionFile.Check(json)).Problem, StringComparison.Ordinal);

    [Fact]
    public void More_than_20_indexes_are_too_many()
    {
        var names = Enumerable.Range(1, 21).Select(i => $"gsi{i}").ToList();
        var json = Good
            .Replace("{ \"name\": \"gsi1\", \"include\": [\"total\"] },", string.Join(',', names.Select(n => $$"""{ "name": "{{n}}", "include": ["a", "b", "c", "d", "e"] }""")), StringComparison.Ordinal)
            .Replace("\"gsi1\": {", string.Concat(names.Skip(1).Select(n => $$""" "{{n}}": { "pk": "A", "sk": "B" },""")) + "\"gsi1\": {", StringComparison.Ordinal);
        var problems = MigrationDefinitionFile.Check(json);
        Assert.Contains(problems, p => p.Problem.Contains("21 indexes", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Problem.Contains("105 attributes together", StringComparison.Ordinal));
        Assert.Equal(2, problems.Length);
    }

    [Fact]
    public void Without_entities_there_is_nothing_to_migrate()
    {
        var problems = MigrationDefinitionFile.Check("""{ "name": "x", "source": { "host": "h", "database": "d" }, "target": { "table": "ttt" }, "entities": [] }""");
        Assert.Contains("no entity", Assert.Single(problems).Problem, StringComparison.Ordinal);
    }
}
