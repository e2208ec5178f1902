using System.Buffers;
using System.Text.Json;
using BillingMigration.Model;

namespace BillingMigration.Target;

public sealed partial class ItemReader
{
    /// <summary>Most items of one <see cref="GetAsync"/>: the limit of BatchGetItem.</summary>
    public const int MostKeys = 100;

    /// <summary>The same items as the table has them now, read consistently; those that are gone are left out.</summary>
    /// <param name="items">JSON objects with <c>pk</c> and <c>sk</c> in them, 1 to <see cref="MostKeys"/>.</param>
    /// <returns>In no order.</returns>
    public async Task<IReadOnlyList<ReadOnlyMemory<byte>>> GetAsync(IReadOnlyList<ReadOnlyMemory<byte>> items, CancellationToken cancellationToken)
    {
        var found = new List<ReadOnlyMemory<byte>>(items.Count);
        var request = KeysRequest(items);
        while (!request.IsEmpty)
        {
            var page = await CallAsync("BatchGetItem", request, cancellationToken);
            found.AddRange(page.Items);
            request = page.UnprocessedKeys.IsEmpty ? default : Again(page.UnprocessedKeys);
        }

        return found;
    }

    private static ReadOnlyMemory<byte> Again(ReadOnlyMemory<byte> keys)
    {
        var buffer = new ArrayBufferWriter<byte>(keys.Length + 64);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("ReturnConsumedCapacity", "TOTAL");
        json.WritePropertyName("RequestItems");
        json.WriteRawValue(keys.Span);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private ReadOnlyMemory<byte> KeysRequest(IReadOnlyList<ReadOnlyMemory<byte>> items)
    {
        var buffer = new ArrayBufferWriter<byte>(items.Count * 128);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("ReturnConsumedCapacity", "TOTAL");
        json.WriteStartObject("RequestItems");
        json.WriteStartObject(table);
        json.WriteBoolean("ConsistentRead", true);
        if (Attributes is not null)
        {
            json.WriteStartObject("ExpressionAttributeNames");
            ReadAttributes.WriteNames(json, Attributes);
            json.WriteEndObject();
            ReadAttributes.WriteExpression(json, Attributes);
        }

        json.WriteStartArray("Keys");
        foreach (var item in items)
        {
            WriteKey(json, item.Span);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private static void WriteKey(Utf8JsonWriter json, ReadOnlySpan<byte> item)
    {
        json.WriteStartObject();
        var reader = new Utf8JsonReader(item);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.ValueTextEquals("pk"u8) ? EntityModel.PartitionKey : reader.ValueTextEquals("sk"u8) ? EntityModel.SortKey : null;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (name is not null)
            {
                json.WritePropertyName(name);
                json.WriteRawValue(item[start..(int)reader.BytesConsumed]);
            }
        }

        json.WriteEndObject();
    }
}
