using System.Text.Json;

namespace BillingMigration.Target;

/// <summary>The table's key of an item in DynamoDB JSON.</summary>
internal readonly record struct ItemKey(string Pk, string Sk)
{
    public static ItemKey Of(ReadOnlySpan<byte> item)
    {
        var (pk, sk) = ("", "");
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.ValueTextEquals("pk"u8) ? 1 : json.ValueTextEquals("sk"u8) ? 2 : 0;
            json.Read();
            if (name == 0)
            {
                json.Skip();
                continue;
            }

            json.Read();
            json.Read();
            (pk, sk) = name == 1 ? (json.GetString()!, sk) : (pk, json.GetString()!);
            json.Read();
        }

        return new ItemKey(pk, sk);
    }
}
