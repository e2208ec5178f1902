using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>The sample's migration, with keys that are made of other rows' columns besides: agreements are listed by their subscriber's status, charges by their account's payment method.</summary>
internal static class TrialMigration
{
    public static SampleMigration Create(string source, Uri endpoint)
    {
        var json = JsonNode.Parse(File.ReadAllText(Repository.PathOf("examples", "sample", "migration.json")))!;
        json["indexes"]!.AsArray().Add(JsonNode.Parse("""{ "name": "gsi5", "include": [] }"""));
        Add(
            json, "SERVICE_AGREEMENT", """{ "subscriber": { "table": "subscriber", "on": { "subscriber_id": "subscriber_id", "account_id": "account_id" } } }""",
            """{ "pk": "SUBSCRIBER_STATUS#{subscriber.status}#{agreement_id%16}", "sk": "AGREEMENT#{agreement_id:D20}" }""");
        Add(
            json, "CHARGE", """{ "account": { "table": "billing_account", "on": { "account_id": "account_id" } } }""",
            """{ "pk": "METHOD#{account.payment_method}#{charge_id%16}", "sk": "CHARGE#{charge_id:D20}" }""");
        var sample = SampleMigration.Create(source, endpoint);
        var definition = MigrationDefinitionFile.Parse(json.ToJsonString(), null);
        sample.Definition = definition with { Source = sample.Definition.Source, Target = sample.Definition.Target };
        return sample;
    }

    private static void Add(JsonNode json, string entity, string lookups, string key)
    {
        var found = json["entities"]!.AsArray().Single(e => (string)e!["entity"]! == entity)!;
        found["lookups"] = JsonNode.Parse(lookups);
        found["indexes"]!["gsi5"] = JsonNode.Parse(key);
    }
}
