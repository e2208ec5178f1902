using System.Text.Json;

namespace BillingMigration.Target;

/// <summary>Writes which attributes of items are read. Their names may be words that DynamoDB reserves.</summary>
internal static class ReadAttributes
{
    /// <summary>Into ExpressionAttributeNames.</summary>
    public static void WriteNames(Utf8JsonWriter json, IReadOnlyList<string>? attributes)
    {
        for (var i = 0; i < attributes?.Count; i++)
        {
            json.WriteString(Placeholder(i), attributes[i]);
        }
    }

    public static void WriteExpression(Utf8JsonWriter json, IReadOnlyList<string> attributes) =>
        json.WriteString("ProjectionExpression", string.Join(',', attributes.Select((_, i) => Placeholder(i))));

    private static string Placeholder(int i) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"#a{i}");
}
