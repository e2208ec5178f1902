using System.Text.Json;

namespace BillingMigration.Target;

/// <summary>A query of one partition, of the table or of an index.</summary>
/// <param name="Index">Null: the table itself, read consistently.</param>
/// <param name="From">Smallest value of the sort key; null: none.</param>
/// <param name="Below">The sort key is smaller than this; null: no limit.</param>
/// <param name="Descending">The largest sort key first.</param>
/// <param name="PageSize">Most items of one answer, 1 or more; null: as many as 1 MB holds.</param>
internal sealed record ItemQuery(
    string? Index, string PartitionKeyAttribute, string PartitionKey, string SortKeyAttribute, string? From, string? Below, bool Descending, int? PageSize)
{
    /// <summary>Attributes to read; null: all that there are.</summary>
    public IReadOnlyList<string>? Attributes { get; init; }

    public void Write(Utf8JsonWriter json)
    {
        if (Index is not null)
        {
            json.WriteString("IndexName", Index);
        }
        else
        {
            json.WriteBoolean("ConsistentRead", true);
        }

        if (PageSize is { } most)
        {
            json.WriteNumber("Limit", most);
        }

        json.WriteBoolean("ScanIndexForward", !Descending);
        // A sort key takes one condition only. BETWEEN has its upper end in it: what lies on it exactly is for the caller to leave out.
        json.WriteString("KeyConditionExpression", (From, Below) switch
        {
            (null, null) => "#p = :p",
            (not null, null) => "#p = :p AND #s >= :f",
            (null, not null) => "#p = :p AND #s < :b",
            _ => "#p = :p AND #s BETWEEN :f AND :b",
        });
        json.WriteStartObject("ExpressionAttributeNames");
        json.WriteString("#p", PartitionKeyAttribute);
        if (From is not null || Below is not null)
        {
            json.WriteString("#s", SortKeyAttribute);
        }

        ReadAttributes.WriteNames(json, Attributes);
        json.WriteEndObject();
        if (Attributes is not null)
        {
            json.WriteString("Select", "SPECIFIC_ATTRIBUTES");
            ReadAttributes.WriteExpression(json, Attributes);
        }

        json.WriteStartObject("ExpressionAttributeValues");
        Text(json, ":p", PartitionKey);
        Text(json, ":f", From);
        Text(json, ":b", Below);
        json.WriteEndObject();
    }

    /// <summary>The smallest text behind all that begin with <paramref name="prefix"/>, in the order of their UTF-8 bytes.</summary>
    public static string Behind(string prefix) => prefix + char.ConvertFromUtf32(0x10FFFF);

    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteStartObject(name);
            json.WriteString("S", value);
            json.WriteEndObject();
        }
    }
}
