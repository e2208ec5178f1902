using System.Text.Json.Nodes;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>The sample's definition as a file, for a database of a test.</summary>
internal static class SampleFile
{
    /// <returns>Its path.</returns>
    public static async Task<string> WriteAsync(DirectoryInfo folder, TestDatabase database, Uri endpoint, Action<JsonNode>? change = null)
    {
        var json = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "sample.migration.json")))!;
        json["source"]!["port"] = database.Server.Port;
        json["source"]!["database"] = database.Name;
        json["target"]!["endpointUrl"] = endpoint.ToString();
        json["target"]!["table"] = $"billing-{database.Name}";
        json.AsObject().Remove("$schema");
        change?.Invoke(json);
        var path = Path.Combine(folder.FullName, "migration.json");
        await File.WriteAllTextAsync(path, json.ToJsonString());
        return path;
    }
}
