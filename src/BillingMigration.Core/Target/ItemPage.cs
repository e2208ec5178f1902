using System.Buffers;
using System.Text.Json;

namespace BillingMigration.Target;

/// <summary>One page of a Query or Scan, or the answer to a BatchGetItem of one table. What it gives is valid until it is disposed, which need not be done.</summary>
internal sealed class ItemPage : IDisposable
{
    private byte[] own = [];

    public List<ReadOnlyMemory<byte>> Items { get; } = [];

    /// <summary>JSON of the key to go on from; empty at the end.</summary>
    public ReadOnlyMemory<byte> LastEvaluatedKey { get; private set; }

    /// <summary>JSON of the part of a BatchGetItem that was not done; empty when all was.</summary>
    public ReadOnlyMemory<byte> UnprocessedKeys { get; private set; }

    public double Units { get; private set; }

    /// <exception cref="JsonException">It is not such an answer.</exception>
    public static ItemPage Read(ReadOnlySpan<byte> body)
    {
        var page = new ItemPage();
        var own = page.Keep(body);
        ReadOnlyMemory<byte> left = own;
        var reader = new Utf8JsonReader(left.Span);
        var complete = false;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("Items"u8))
            {
                complete = true;
                reader.Read();
                left = page.SplitItems(own, own.Length - left.Length + (int)reader.TokenStartIndex);
                reader = new Utf8JsonReader(left.Span);
                reader.Read();
            }
            else if (reader.ValueTextEquals("Responses"u8))
            {
                complete = true;
                reader.Read();
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    page.ReadItems(left, ref reader);
                }
            }
            else if (reader.ValueTextEquals("UnprocessedKeys"u8))
            {
                reader.Read();
                var keys = Value(left, ref reader);
                page.UnprocessedKeys = keys.Span.IndexOf((byte)'"') < 0 ? default : keys;
            }
            else if (reader.ValueTextEquals("LastEvaluatedKey"u8))
            {
                reader.Read();
                page.LastEvaluatedKey = Value(left, ref reader);
            }
            else if (reader.ValueTextEquals("ConsumedCapacity"u8))
            {
                reader.Read();
                using var capacity = JsonDocument.ParseValue(ref reader);
                var all = capacity.RootElement.ValueKind == JsonValueKind.Array ? [.. capacity.RootElement.EnumerateArray()] : new[] { capacity.RootElement };
                page.Units = all.Sum(c => c.TryGetProperty("CapacityUnits", out var units) ? units.GetDouble() : 0);
            }
            else
            {
                reader.Skip();
            }
        }

        return complete ? page : throw new JsonException("the answer has no Items");
    }

    public void Dispose()
    {
        Items.Clear();
        if (Interlocked.Exchange(ref own, []) is { Length: > 0 } rented)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private Memory<byte> Keep(ReadOnlySpan<byte> body)
    {
        own = ArrayPool<byte>.Shared.Rent(body.Length);
        body.CopyTo(own);
        return own.AsMemory(0, body.Length);
    }

    /// <summary>Takes the items of the array that begins at <paramref name="start"/>, and makes what follows it an object of its own.</summary>
    private ReadOnlyMemory<byte> SplitItems(Memory<byte> json, int start)
    {
        var end = start + JsonSplit.Objects(json[start..], Items);
        var comma = json.Span[end..].IndexOfAnyExcept(" \t\r\n"u8);
        if (comma >= 0 && json.Span[end + comma] == (byte)',')
        {
            json.Span[end + comma] = (byte)'{';
            return json[(end + comma)..];
        }

        json.Span[end - 1] = (byte)'{';
        return json[(end - 1)..];
    }

    private void ReadItems(ReadOnlyMemory<byte> json, ref Utf8JsonReader reader)
    {
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
        {
            Items.Add(Value(json, ref reader));
        }
    }

    private static ReadOnlyMemory<byte> Value(ReadOnlyMemory<byte> json, ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return json[start..(int)reader.BytesConsumed];
    }
}
