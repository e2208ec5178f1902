using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace BillingMigration.Store.Tests;

/// <summary>
/// Decides about requests to DynamoDB as IAM does, as far as <c>New-MigrationPolicy</c> goes: actions, resources, and the conditions on attributes, Select and leading keys.
/// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
/// </summary>
internal sealed partial class IamPolicy(string document)
{
    private static readonly string[] Expressions = ["ProjectionExpression", "KeyConditionExpression", "FilterExpression"];

    private readonly JsonElement statements = JsonDocument.Parse(document).RootElement.GetProperty("Statement");

    /// <summary>What was refused: operation and body.</summary>
    public ConcurrentQueue<string> Refused { get; } = [];

    public bool Allows(string operation, byte[] body)
    {
        var request = JsonDocument.Parse(body).RootElement;
        var parts = operation == "BatchGetItem" ? request.GetProperty("RequestItems").EnumerateObject().Select(t => (Table: t.Name, Part: t.Value)).ToList() : [(request.GetProperty("TableName").GetString()!, request)];
        var allowed = parts.All(p => statements.EnumerateArray().Any(s => Allows(s, "dynamodb:" + operation, p.Table, p.Part)));
        if (!allowed)
        {
            Refused.Enqueue($"{operation} {request}");
        }

        return allowed;
    }

    private static bool Allows(JsonElement statement, string action, string table, JsonElement request)
    {
        var resource = $"arn:aws:dynamodb:eu-central-1:*:table/{table}" + (request.TryGetProperty("IndexName", out var index) ? $"/index/{index.GetString()}" : "");
        return Texts(statement, "Action").Contains(action) && Texts(statement, "Resource").Contains(resource)
            && (!statement.TryGetProperty("Condition", out var conditions) || conditions.EnumerateObject().All(c => c.Value.EnumerateObject().All(k => Holds(c.Name, k.Name, k.Value, request))));
    }

    private static bool Holds(string condition, string key, JsonElement wanted, JsonElement request) => (condition, key) switch
    {
        ("ForAllValues:StringEquals", "dynamodb:Attributes") => Attributes(request).All(wanted.EnumerateArray().Select(a => a.GetString()).Contains),
        ("Null", "dynamodb:Attributes") => wanted.GetString() == "false" && Attributes(request).Count > 0,
        ("StringEqualsIfExists", "dynamodb:Select") => wanted.GetString() == (request.TryGetProperty("ProjectionExpression", out _) ? "SPECIFIC_ATTRIBUTES" : "ALL_ATTRIBUTES"),
        ("ForAllValues:StringLike", "dynamodb:LeadingKeys") => wanted.EnumerateArray().Any(w => Regex.IsMatch(
            request.GetProperty("Key").GetProperty("pk").GetProperty("S").GetString()!, $"^{Regex.Escape(w.GetString()!).Replace("\\*", ".*", StringComparison.Ordinal)}$")),
        _ => throw new NotSupportedException($"{condition} {key}"),
    };

    /// <summary>Every attribute that the request names.</summary>
    private static List<string> Attributes(JsonElement request)
    {
        var names = request.TryGetProperty("ExpressionAttributeNames", out var map) ? map : default;
        var used = Expressions.Where(e => request.TryGetProperty(e, out _))
            .SelectMany(e => Name().Matches(request.GetProperty(e).GetString()!).Select(m => m.Value)).Select(n => n[0] == '#' ? names.GetProperty(n).GetString()! : n).Where(n => n is not ("AND" or "BETWEEN"));
        var keys = request.TryGetProperty("Keys", out var all) ? all.EnumerateArray().SelectMany(k => k.EnumerateObject().Select(a => a.Name)) : [];
        return [.. used.Concat(keys).Distinct()];
    }

    private static IEnumerable<string?> Texts(JsonElement statement, string name) => statement.GetProperty(name).EnumerateArray().Select(t => t.GetString());

    [GeneratedRegex(@"(?<![:\w])#?[A-Za-z]\w*")]
    private static partial Regex Name();
}
