using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>Reads the members of a request's JSON.</summary>
internal static class RequestMembers
{
    private static readonly string[] Legacy =
        ["Expected", "AttributeUpdates", "KeyConditions", "QueryFilter", "ScanFilter", "AttributesToGet", "ConditionalOperator"];

    public static bool Has(this JsonElement request, ReadOnlySpan<byte> name, out JsonElement value) =>
        request.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public static string? Text(this JsonElement request, ReadOnlySpan<byte> name) => request.Has(name, out var value) ? value.GetString() : null;

    /// <summary>The text of a string that may not be null.</summary>
    public static string RequiredText(this JsonElement value) => value.GetString() ?? throw new ServiceError("SerializationException", "A string was expected, not null.");

    public static bool Flag(this JsonElement request, ReadOnlySpan<byte> name, bool missing = false) => request.Has(name, out var value) ? value.GetBoolean() : missing;

    public static int? Number(this JsonElement request, ReadOnlySpan<byte> name) => request.Has(name, out var value) ? value.GetInt32() : null;

    public static JsonElement Required(this JsonElement request, ReadOnlySpan<byte> name) =>
        request.Has(name, out var value) ? value : throw ServiceError.Invalid($"The parameter {System.Text.Encoding.UTF8.GetString(name)} is missing");

    /// <summary>The parameters from before expressions are not modelled: a test must not believe that they were heeded.</summary>
    public static void RefuseLegacy(JsonElement request)
    {
        foreach (var name in Legacy)
        {
            if (request.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.String)
            {
                throw ServiceError.Invalid($"The simulation does not model the legacy parameter {name}; use an expression.");
            }
        }
    }

    /// <summary>A text that is the same for requests that differ in the order of members only.</summary>
    public static string Canonical(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(',', element.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal).Select(m => $"{m.Name}:{Canonical(m.Value)}")) + "}",
        JsonValueKind.Array => "[" + string.Join(',', element.EnumerateArray().Select(Canonical)) + "]",
        JsonValueKind.String => "'" + element.GetString() + "'",
        _ => element.GetRawText(),
    };
}
