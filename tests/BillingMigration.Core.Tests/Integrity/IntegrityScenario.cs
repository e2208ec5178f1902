using Amazon.DynamoDBv2.Model;
using BillingMigration.Integrity;
using BillingMigration.Tests.Snapshot;

namespace BillingMigration.Tests.Integrity;

/// <summary>What a test of the proof does again and again.</summary>
internal static class IntegrityScenario
{
    private static readonly Progress<IntegrityProgress> Silent = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Opens a session, checks, closes the session: what one command does.</summary>
    public static async Task<IntegrityResult> CheckAsync(this Scenario scenario, IntegrityOptions? options = null)
    {
        await using var session = await scenario.Migration.ConnectAsync();
        return await new IntegrityChecker(session, options ?? new IntegrityOptions { RowsPerRange = 500 }).RunAsync(Silent, Cancel);
    }

    /// <summary>Items of one entity as the SDK reads them, in the order of their keys.</summary>
    public static async Task<List<Dictionary<string, AttributeValue>>> ItemsAsync(this Scenario scenario, string entity)
    {
        var items = new List<Dictionary<string, AttributeValue>>();
        await foreach (var page in scenario.Migration.Client.Paginators.Scan(new ScanRequest { TableName = scenario.Migration.Table }).Responses)
        {
            items.AddRange(page.Items.Where(i => i["entity"].S == entity));
        }

        return [.. items.OrderBy(i => i["pk"].S + i["sk"].S, StringComparer.Ordinal)];
    }

    public static Task PutAsync(this Scenario scenario, Dictionary<string, AttributeValue> item) =>
        scenario.Migration.Client.PutItemAsync(scenario.Migration.Table, item, Cancel);

    public static Task DeleteAsync(this Scenario scenario, Dictionary<string, AttributeValue> item) => scenario.Migration.Client.DeleteItemAsync(
        scenario.Migration.Table, new Dictionary<string, AttributeValue> { ["pk"] = item["pk"], ["sk"] = item["sk"] }, Cancel);
}
