using System.Text.Json;

namespace BillingMigration.Sync.Cascades;

/// <summary>Key of an item in the billing table.</summary>
internal readonly record struct ItemKey(string PartitionKey, string SortKey)
{
    /// <summary>From an item in DynamoDB JSON, attributes in any order.</summary>
    public static ItemKey Of(ReadOnlySpan<byte> item)
    {
        string? pk = null, sk = null;
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isKey = json.ValueTextEquals("pk"u8);
            var isSort = json.ValueTextEquals("sk"u8);
            json.Read();
            if (!isKey && !isSort)
            {
                json.Skip();
                continue;
            }

            json.Read();
            json.Read();
            (pk, sk) = isKey ? (json.GetString(), sk) : (pk, json.GetString());
            json.Read();
        }

        return new ItemKey(pk ?? throw new JsonException("an item has no pk"), sk ?? throw new JsonException("an item has no sk"));
    }
}
