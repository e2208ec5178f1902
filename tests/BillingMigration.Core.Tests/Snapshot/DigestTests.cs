using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using BillingMigration.Tests.Sync;
using BillingMigration.Transfer;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Whatever decides what an item is, or where it is, is part of the digest that a run keeps: it does not go on under another one.</summary>
public sealed class DigestTests(TestServers servers)
{
    private const string Definition = """
        {
          "name": "digest",
          "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
          "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
          "indexes": [{ "name": "gsi1" }, { "name": "gsi2" }, { "name": "gsi3" }],
          "entities": [
            { "entity": "BILL", "table": "invoice", "pk": "ACCOUNT#{acct_id}", "sk": "BILL#{invoice_id:D10}" },
            {
              "entity": "CHARGE", "table": "line", "pk": "ACCOUNT#{bill.acct_id}", "sk": "CHARGE#{line_id:D10}",
              "lookups": { "bill": { "table": "invoice", "on": { "invoice_id": "invoice_id" } } },
              "indexes": { "gsi1": { "pk": "KIND#{kind}", "sk": "CHARGE#{line_id:D10}", "when": { "column": "kind", "in": ["A"] } },
                "gsi2": { "pk": "BILL#{invoice_id}", "sk": "CHARGE#{line_id:D10}" }, "gsi3": { "pk": "OTHER#{other_id}", "sk": "CHARGE#{line_id:D10}" } },
              "columns": { "amount": { "attribute": "cents" }, "note": { "type": "S" } }
            }
          ]
        }
        """;

    private const string Schema = """
        CREATE TABLE invoice (invoice_id INT NOT NULL PRIMARY KEY, other_id INT NOT NULL UNIQUE, acct_id INT NOT NULL);
        CREATE TABLE line (line_id INT NOT NULL PRIMARY KEY, invoice_id INT NOT NULL, other_id INT NOT NULL, kind VARCHAR(10) COLLATE utf8mb4_bin NOT NULL, state VARCHAR(10) COLLATE utf8mb4_bin NOT NULL, amount INT NOT NULL, note INT NULL,
          FOREIGN KEY (invoice_id) REFERENCES invoice (invoice_id), FOREIGN KEY (other_id) REFERENCES invoice (other_id));
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_change_of_the_definition_that_changes_items_changes_it_and_others_do_not()
    {
        await using var shop = await LookupShop.CreateAsync(servers, mariaDb: false, Schema, Definition);
        var digests = new Dictionary<string, string>();
        (string What, string Old, string New)[] changes =
        [
            ("entity's name", "\"entity\": \"CHARGE\"", "\"entity\": \"FEE\""),
            ("partition key", "\"ACCOUNT#{bill.acct_id}\"", "\"ACCT#{bill.acct_id}\""),
            ("sort key", "\"CHARGE#{line_id:D10}\",\n      \"lookups\"", "\"CHARGE#{line_id:D12}\",\n      \"lookups\""),
            ("columns of the lookup", "{ \"invoice_id\": \"invoice_id\" }", "{ \"other_id\": \"other_id\" }"),
            ("index key", "\"KIND#{kind}\"", "\"KIND#{state}\""),
            ("column of the condition", "\"column\": \"kind\"", "\"column\": \"state\""),
            ("values of the condition", "[\"A\"]", "[\"A\", \"B\"]"),
            ("attribute's name", "\"cents\"", "\"amount\""),
            ("attribute's type", ", \"note\": { \"type\": \"S\" }", ""),
        ];
        var text = Definition.ReplaceLineEndings("\n");
        foreach (var (what, old, replacement) in changes.Prepend(("nothing", "\"digest\"", "\"digest\"")))
        {
            Assert.Contains(old, text, StringComparison.Ordinal);
            digests.Add(what, await DigestAsync(shop, definition => definition, text.Replace(old, replacement, StringComparison.Ordinal)));
        }

        await using var elsewhere = await LookupShop.CreateAsync(servers, mariaDb: false, Schema, Definition);
        digests.Add("source's database", await DigestAsync(shop, d => d with { Source = elsewhere.Migration.Definition.Source }));
        digests.Add("target's table", await DigestAsync(shop, d => d with { Target = d.Target with { Table = d.Target.Table + "-2" } }));
        await shop.Database.ExecuteAsync("ALTER TABLE line MODIFY amount BIGINT NOT NULL");
        digests.Add("column's type", await DigestAsync(shop, d => d));
        Assert.Equal(digests.Count, digests.Values.Distinct().Count());

        await shop.Database.ExecuteAsync("ALTER TABLE line MODIFY amount INT NOT NULL");
        Assert.Equal(digests["nothing"], await DigestAsync(shop, d => d with { Throttle = d.Throttle with { Writers = 3 } }));
    }

    private static async Task<string> DigestAsync(LookupShop shop, Func<MigrationDefinition, MigrationDefinition> change, string? text = null)
    {
        var own = shop.Migration.Definition;
        var definition = change(MigrationDefinitionFile.Parse((text ?? Definition).Replace("HOST", "127.0.0.1", StringComparison.Ordinal).Replace("ENDPOINT", own.Target.EndpointUrl!.ToString(), StringComparison.Ordinal), null) with { Source = own.Source, Target = own.Target });
        await using var session = await MigrationSession.ConnectAsync(
            definition, shop.Migration.Credential, SampleMigration.Access, new RetryPolicy(), TimeProvider.System, Cancel);
        await using var connection = await session.Source.OpenConnectionAsync(Cancel);
        return (await SnapshotScope.BindAsync(session, new SnapshotOptions(), connection, Cancel)).Model.Digest;
    }
}
