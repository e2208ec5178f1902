using System.Text.Json;

namespace BillingMigration.Target;

/// <summary>DynamoDB's words about an item that it refuses, without the item's values: some of its messages quote the attribute that is wrong.</summary>
internal static class RejectionText
{
    private const string Mask = "***";
    private const int ShortestMasked = 3;

    // "The parameter cannot be converted to a numeric value: 12,50", "Supplied AttributeValue … : {S: …}".
    private static readonly string[] QuotedAfter = ["numeric value", "Supplied AttributeValue", "actual:", "value:"];

    public static string WithoutValues(string message, ReadOnlySpan<byte> item)
    {
        foreach (var opening in QuotedAfter)
        {
            var at = message.IndexOf(opening, StringComparison.OrdinalIgnoreCase);
            if (at >= 0)
            {
                message = message[..(at + opening.Length)].TrimEnd(':', ' ');
            }
        }

        var reader = new Utf8JsonReader(item);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length >= ShortestMasked)
            {
                message = MaskWord(message, reader.GetString()!);
            }
        }

        return message;
    }

    private static string MaskWord(string message, string value)
    {
        for (var at = message.IndexOf(value, StringComparison.Ordinal); at >= 0; at = message.IndexOf(value, at + Mask.Length, StringComparison.Ordinal))
        {
            var end = at + value.Length;
            var word = (at == 0 || !char.IsLetterOrDigit(message[at - 1])) && (end == message.Length || !char.IsLetterOrDigit(message[end]));
            if (word)
            {
                message = string.Concat(message.AsSpan(0, at), Mask, message.AsSpan(end));
            }

            if (at + Mask.Length >= message.Length)
            {
                break;
            }
        }

        return message;
    }
}
