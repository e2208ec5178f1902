using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source;

public sealed class DefinitionDraftTests(TestServers servers)
{
    /// <summary>Other names, a prefix, no account column below the invoice, UUIDs and a composite key, and tables that are none of ours.</summary>
    private const string Telco = """
        CREATE TABLE tbl_clients (id BINARY(16) NOT NULL PRIMARY KEY, client_no VARCHAR(12) NOT NULL UNIQUE, fullname VARCHAR(100), e_mail VARCHAR(200) UNIQUE, email_verified TINYINT(1) NOT NULL DEFAULT 0, dob DATE, ssn CHAR(11), sk VARCHAR(10));
        CREATE TABLE tbl_accts (acct_code VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, client_id BINARY(16) NOT NULL, balance DECIMAL(12,2) NOT NULL, currency CHAR(3) NOT NULL,
          FOREIGN KEY (client_id) REFERENCES tbl_clients (id));
        CREATE TABLE tbl_subscriptions (acct_code VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, line_no INT NOT NULL, msisdn VARCHAR(15) NOT NULL UNIQUE, pin CHAR(4), PRIMARY KEY (acct_code, line_no),
          FOREIGN KEY (acct_code) REFERENCES tbl_accts (acct_code));
        CREATE TABLE tbl_contracts (contract_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, acct_code VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, line_no INT NOT NULL, plan VARCHAR(20) NOT NULL, valid_to DATE,
          FOREIGN KEY (acct_code, line_no) REFERENCES tbl_subscriptions (acct_code, line_no));
        CREATE TABLE tbl_invoices (invoice_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, acct_code VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, invoice_no VARCHAR(20) NOT NULL UNIQUE, state ENUM('NEW','SENT','PAID') NOT NULL, invoice_date DATE NOT NULL, due_on DATE NOT NULL, total DECIMAL(12,2) NOT NULL,
          changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, FOREIGN KEY (acct_code) REFERENCES tbl_accts (acct_code));
        CREATE TABLE tbl_invoice_lines (invoice_id BIGINT NOT NULL, pos SMALLINT NOT NULL, amount DECIMAL(12,4) NOT NULL, quantity DECIMAL(10,3) NOT NULL, description VARCHAR(80), PRIMARY KEY (invoice_id, pos),
          FOREIGN KEY (invoice_id) REFERENCES tbl_invoices (invoice_id) ON DELETE CASCADE);
        CREATE TABLE tbl_client_addresses (id INT PRIMARY KEY, client_id BINARY(16) NOT NULL, street VARCHAR(80));
        CREATE TABLE tbl_audit_log (id INT PRIMARY KEY, text TEXT);
        CREATE TABLE tbl_bills_import (raw TEXT);
        """;

    /// <summary>A shop whose tables declare no foreign keys and whose ids are all called id.</summary>
    private const string Undeclared = """
        CREATE TABLE Account (id INT NOT NULL PRIMARY KEY, customerId INT NOT NULL, balance DECIMAL(12,2));
        CREATE TABLE Customer (id INT NOT NULL PRIMARY KEY, name VARCHAR(80), homePhone VARCHAR(20));
        CREATE TABLE Invoice (id INT NOT NULL PRIMARY KEY, accountId INT NOT NULL, dueDate DATE, createdAt DATETIME NOT NULL);
        CREATE TABLE UsageCharge (id INT NOT NULL PRIMARY KEY, accountId INT NULL, invoiceId INT NULL, amount DECIMAL(10,2) NOT NULL, eventTime DATETIME(3) NOT NULL);
        """;

    private const string UndeclaredRows = """
        INSERT INTO Customer (id) VALUES (7), (8); INSERT INTO Account (id, customerId) VALUES (1, 7), (2, 7), (3, 8);
        INSERT INTO Invoice VALUES (10, 1, NULL, NOW()), (11, 1, NULL, NOW()), (12, 3, NULL, NOW());
        INSERT INTO UsageCharge VALUES (1, 1, 10, 5, NOW()), (2, 1, 10, 6, NOW()), (3, NULL, NULL, 7, NOW());
        """;

    private const string Counted = """
        CREATE TABLE accounts (record_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, id CHAR(36), name VARCHAR(100), company_name VARCHAR(50), contact VARCHAR(50), notes TEXT, currency CHAR(3), balance DECIMAL(12,2));
        CREATE TABLE invoices (record_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, id CHAR(36), account_record_id INT NOT NULL, target_date DATE, status VARCHAR(10), created_date DATETIME NOT NULL);
        CREATE TABLE invoice_items (record_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, account_record_id INT NOT NULL, type VARCHAR(20) NOT NULL, description VARCHAR(50), amount DECIMAL(15,9) NOT NULL, quantity INT, created_date DATETIME NOT NULL);
        """;

    private const string CountedRows = """
        INSERT INTO accounts (name, currency) VALUES ('a', 'EUR'), ('b', 'EUR'), ('c', 'EUR'), ('d', 'EUR');
        INSERT INTO invoices (account_record_id, created_date) VALUES (1, NOW()), (1, NOW()), (2, NOW()), (4, NOW());
        INSERT INTO invoice_items (account_record_id, type, amount, created_date) VALUES (1, 'FEE', 1, NOW()), (1, 'FEE', 1, NOW()), (4, 'FEE', 1, NOW());
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_sample_schema_gives_the_sample_definition(bool mariaDb)
    {
        var (draft, definition, problems) = await DraftAsync(mariaDb, await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken));
        Assert.Empty(problems);
        var sample = MigrationDefinitionFile.Load(Repository.PathOf("examples", "sample", "migration.json"));
        foreach (var expected in sample.Entities)
        {
            var entity = definition.Entities.Single(e => e.Entity == expected.Entity);
            Assert.Equal(Keys(expected), Keys(entity));
            Assert.Equal(expected.Columns.Where(c => c.Value.Sensitive).Select(c => c.Key), entity.Columns.Where(c => c.Value.Sensitive).Select(c => c.Key));
        }

        Assert.Equal(sample.Indexes.Select(i => (i.Name, Include(i))), definition.Indexes.Select(i => (i.Name, Include(i))));
        Assert.Contains(draft.Guesses, g => g.Contains("'phone_number'", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_that_change_with_another_row_unseen_get_a_key_by_it(bool mariaDb)
    {
        var schema = await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken);
        var (draft, definition, problems) = await DraftAsync(mariaDb, $"""
            {schema}
            CREATE TABLE tariff (zone INT NOT NULL, code INT NOT NULL, PRIMARY KEY (zone, code));
            CREATE TABLE import_run (run_id INT NOT NULL PRIMARY KEY);
            ALTER TABLE charge ADD zone INT NULL, ADD code INT NULL, ADD run_id INT NULL, ADD FOREIGN KEY (zone, code) REFERENCES tariff (zone, code) ON DELETE SET NULL,
              ADD CONSTRAINT by_run FOREIGN KEY (run_id) REFERENCES import_run (run_id) ON DELETE CASCADE;
            """);

        Assert.Empty(problems);
        var charge = definition.Entities.Single(e => e.Entity == "CHARGE");
        var added = charge.Indexes.Where(i => i.Key is "gsi6" or "gsi7").Select(i => i.Value.PartitionKey.Single().Text);
        Assert.Equal(["IMPORT_RUN#{run_id}", "TARIFF#{zone}#{code}"], added.Order(StringComparer.Ordinal));
        Assert.Contains(draft.Guesses, g => g.Contains("by the foreign key by_run (ON DELETE CASCADE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_shops_names_composite_keys_and_lookups_need_no_code()
    {
        var (draft, definition, problems) = await DraftAsync(mariaDb: false, Telco);
        var found = string.Join('\n', draft.Guesses);
        Assert.DoesNotContain(problems, p => p.Severity == DefinitionSeverity.Error);
        Assert.Equal(
            ["BILL tbl_invoices", "BILLING_ACCOUNT tbl_accts", "CHARGE tbl_invoice_lines", "CUSTOMER tbl_clients", "SERVICE_AGREEMENT tbl_contracts", "SUBSCRIBER tbl_subscriptions"],
            definition.Entities.Select(e => $"{e.Entity} {e.Table}").Order(StringComparer.Ordinal));

        string Key(string entity) => definition.Entities.Where(e => e.Entity == entity).Select(e => $"{e.PartitionKey} | {e.SortKey}").Single();
        Assert.Equal("CUSTOMER#{id} | CUSTOMER", Key("CUSTOMER"));
        Assert.Equal("ACCOUNT#{acct_code} | ACCOUNT", Key("BILLING_ACCOUNT"));
        Assert.Equal("ACCOUNT#{acct_code} | SUBSCRIBER#{line_no:D20}", Key("SUBSCRIBER"));
        Assert.Equal("ACCOUNT#{acct_code} | SUBSCRIBER#{line_no:D20}#AGREEMENT#{contract_id:D20}", Key("SERVICE_AGREEMENT"));
        Assert.Equal("ACCOUNT#{acct_code} | BILL#{invoice_date}#{invoice_id:D20}", Key("BILL"));
        Assert.Equal("ACCOUNT#{bill.acct_code} | CHARGE#{invoice_id:D20}#{pos:D20}", Key("CHARGE"));

        var charge = definition.Entities.Single(e => e.Entity == "CHARGE");
        Assert.Equal(("tbl_invoices", "invoice_id"), (charge.Lookups["bill"].Table, charge.Lookups["bill"].On["invoice_id"]));
        Assert.Equal("BILL#{invoice_id}", Assert.Single(charge.Indexes["gsi1"].PartitionKey).Text);
        var customer = definition.Entities.Single(e => e.Entity == "CUSTOMER");
        Assert.Equal(["dob", "e_mail", "fullname", "ssn"], customer.Columns.Where(c => c.Value.Sensitive).Select(c => c.Key));
        Assert.Equal("sk_column", customer.Columns["sk"].Attribute);
        Assert.Equal("CUSTOMER_NUMBER#{client_no:collated}", customer.Indexes["gsi2"].PartitionKey[0].Text);
        Assert.Equal("PHONE#{msisdn:collated}", definition.Entities.Single(e => e.Entity == "SUBSCRIBER").Indexes["gsi2"].PartitionKey[0].Text);
        Assert.Equal(["SENT"], definition.Entities.Single(e => e.Entity == "BILL").Indexes["gsi3"].When!.In.AsEnumerable());
        Assert.Contains("in 'tbl_contracts.acct_code' (foreign key to 'tbl_subscriptions')", found, StringComparison.Ordinal);
        Assert.Contains("tbl_audit_log, tbl_bills_import, tbl_client_addresses", found, StringComparison.Ordinal);
        Assert.Contains("'tbl_clients.e_mail' is unique but personal", found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_stand_in_for_foreign_keys_that_are_not_declared()
    {
        var (draft, definition, problems) = await DraftAsync(mariaDb: true, Undeclared + UndeclaredRows);
        Assert.Empty(problems);
        string Key(string entity) => definition.Entities.Where(e => e.Entity == entity).Select(e => $"{e.PartitionKey} | {e.SortKey}").Single();
        Assert.Equal("ACCOUNT#{accountId} | BILL#{createdAt}#{id:D20}", Key("BILL"));
        // The account of a charge may be NULL here: it cannot be its partition.
        Assert.Equal("CHARGE#{id} | CHARGE", Key("CHARGE"));
        Assert.Equal("CUSTOMER#{customerId}", definition.Entities.Single(e => e.Entity == "BILLING_ACCOUNT").Indexes["gsi1"].PartitionKey[0].Text);
        Assert.Contains(draft.Guesses, g => g.StartsWith("Likely: BILL belongs to the account", StringComparison.Ordinal) && g.Contains("all 3 rows looked at have theirs", StringComparison.Ordinal));
        Assert.Equal(["homePhone", "name"], definition.Entities.Single(e => e.Entity == "CUSTOMER").Columns.Keys);
        Assert.Contains(draft.Guesses, g => g.Contains("no foreign key is declared", StringComparison.Ordinal));
        Assert.Contains(draft.Guesses, g => g == "Likely: No table looks like SUBSCRIBER; if there is one, add it by hand.");
        Assert.Contains(draft.Guesses, g => g.Contains("'UsageCharge'", StringComparison.Ordinal) && g.Contains("partition of its own", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_no_rows_prove_is_asked_and_refused_until_it_is_answered()
    {
        var json = await DraftAsync(Undeclared);
        var refused = Assert.Throws<MigrationException>(() => MigrationDefinitionFile.Parse(json, null));
        Assert.Equal("InvalidDefinition", refused.ErrorId);
        Assert.Contains("$.questions[0] (line", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Does 'Invoice.accountId' name the row of 'Account.id'? Keys of BILL are made so by its name alone", refused.Message, StringComparison.Ordinal);
        var answered = JsonNode.Parse(json)!;
        answered.AsObject().Remove("questions");
        Assert.Equal("ACCOUNT#{accountId}", MigrationDefinitionFile.Parse(answered.ToJsonString(), null).Entities.Single(e => e.Entity == "BILL").PartitionKey.Text);
    }

    /// <summary>Every table counts its rows in a column of the same name, and names the rows of others in another.</summary>
    [Fact]
    public async Task A_tables_own_key_is_not_its_parents()
    {
        var json = await DraftAsync(Counted + CountedRows);
        var definition = MigrationDefinitionFile.Parse(json, null);
        string Key(string entity) => definition.Entities.Where(e => e.Entity == entity).Select(e => e.PartitionKey.Text).Single();
        Assert.Equal("ACCOUNT#{account_record_id}", Key("BILL"));
        Assert.Equal("ACCOUNT#{account_record_id}", Key("CHARGE"));
        Assert.Equal(["company_name", "contact", "name", "notes"], definition.Entities.Single(e => e.Entity == "BILLING_ACCOUNT").Columns.Keys);

        // Rows that refer to nobody: the column is something else, and no key is made of it.
        json = await DraftAsync(Counted + CountedRows + "UPDATE invoices SET account_record_id = 99 WHERE record_id = 3;");
        var asked = JsonNode.Parse(json)!["questions"]!.AsArray().Select(q => q!.GetValue<string>()).ToArray();
        Assert.Contains(asked, q => q.StartsWith("What is 'invoices.account_record_id'?", StringComparison.Ordinal) && q.Contains("1 of 4 rows", StringComparison.Ordinal));
        Assert.DoesNotContain("\"ACCOUNT#{account_record_id}\",\n      \"sk\": \"BILL", json, StringComparison.Ordinal);

        // One invoice an account, in the same order: that may be chance.
        json = await DraftAsync(Counted + "INSERT INTO accounts (name, currency) VALUES ('a', 'EUR'), ('b', 'EUR'); INSERT INTO invoices (account_record_id, created_date, target_date) VALUES (1, NOW(), NOW()), (2, NOW(), NOW());");
        Assert.Contains(JsonNode.Parse(json)!["questions"]!.AsArray(), q => q!.GetValue<string>().Contains("all 2 rows looked at refer to a row of their own", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_database_without_billing_tables_is_told_so()
    {
        var error = await Assert.ThrowsAsync<MigrationException>(() => DraftAsync(mariaDb: true, "CREATE TABLE audit_log (id INT PRIMARY KEY); CREATE TABLE bill (no_key INT)"));
        Assert.Equal("NoBillingTables", error.ErrorId);
    }

    private async Task<string> DraftAsync(string schema)
    {
        await using var database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync(schema);
        await using var connection = await database.OpenAsync();
        var draft = await DefinitionDraft.CreateAsync(
            "shop", new SourceDefinition { Host = "db.example.org", Database = database.Name }, connection, new TargetDefinition { Table = "billing", Region = "eu-central-1" }, TestContext.Current.CancellationToken);
        return draft.Json;
    }

    private async Task<(DefinitionDraft Draft, MigrationDefinition Definition, IReadOnlyList<DefinitionProblem> Problems)> DraftAsync(bool mariaDb, string schema)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        await database.ExecuteAsync(schema);
        await using var connection = await database.OpenAsync();
        var source = new SourceDefinition { Host = "db.example.org", Database = database.Name };
        var target = new TargetDefinition { Table = "billing", Region = "eu-central-1" };
        var draft = await DefinitionDraft.CreateAsync("shop", source, connection, target, TestContext.Current.CancellationToken);
        TestContext.Current.SendDiagnosticMessage(draft.Json + string.Join('\n', draft.Guesses));
        var definition = MigrationDefinitionFile.Parse(draft.Json, null);
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, DefinitionSchemaCheck.TablesOf(definition), TestContext.Current.CancellationToken);
        Assert.NotNull(JsonNode.Parse(draft.Json));
        return (draft, definition, DefinitionSchemaCheck.Check(definition, tables));
    }

    private static string Keys(EntityDefinition entity) => string.Join('\n', entity.Indexes
        .Select(i => $"{i.Key}: {string.Join(" or ", i.Value.PartitionKey)} | {string.Join(" or ", i.Value.SortKey)}{(i.Value.When is { } when ? $" when {when.Column} in {string.Join(',', when.In)}" : "")}")
        .Prepend($"{entity.PartitionKey} | {entity.SortKey}"));

    private static string Include(IndexDefinition index) => index.Include is { } include ? string.Join(',', include.Order(StringComparer.Ordinal)) : "all";
}
