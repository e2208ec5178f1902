using System.Buffers;
using System.Text;
using System.Text.Json;
using BillingMigration.Model;

namespace BillingMigration.Target;

/// <summary>The BatchWriteItem call of one table: puts the canonical bytes of items, and the keys of deletes, into a request, and reads what became of them.</summary>
internal sealed class BatchWriteRequest(string table)
{
    private static ReadOnlySpan<byte> PutHead => "{\"PutRequest\":{\"Item\":"u8;

    private static ReadOnlySpan<byte> PutTail => "}}"u8;

    private static ReadOnlySpan<byte> DeleteHead => "{\"DeleteRequest\":{\"Key\":"u8;

    private static ReadOnlySpan<byte> Tail => "]},\"ReturnConsumedCapacity\":\"TOTAL\"}"u8;

    private readonly byte[] head = Encoding.UTF8.GetBytes($"{{\"RequestItems\":{{\"{table}\":[");

    /// <summary>Length of the request of some items of the batch.</summary>
    public int Length(ItemBatch batch, ReadOnlySpan<int> indexes)
    {
        var length = head.Length + Tail.Length + indexes.Length * (PutHead.Length + PutTail.Length + 1) - 1;
        foreach (var index in indexes)
        {
            length += batch.Item(index).Length;
        }

        if (batch.Deletes > 0)
        {
            foreach (var index in indexes)
            {
                length += batch.IsDelete(index) ? DeleteHead.Length - PutHead.Length : 0;
            }
        }

        return length;
    }

    /// <summary>Writes the request into <paramref name="target"/>, which is at least <see cref="Length"/> long.</summary>
    public void Write(ItemBatch batch, ReadOnlySpan<int> indexes, Span<byte> target)
    {
        var at = 0;
        Append(head, target, ref at);
        for (var i = 0; i < indexes.Length; i++)
        {
            if (i > 0)
            {
                target[at++] = (byte)',';
            }

            Append(batch.IsDelete(indexes[i]) ? DeleteHead : PutHead, target, ref at);
            Append(batch.Item(indexes[i]).Span, target, ref at);
            Append(PutTail, target, ref at);
        }

        Append(Tail, target, ref at);
    }

    /// <summary>Reads a successful answer.</summary>
    /// <param name="body">Answer of BatchWriteItem.</param>
    /// <param name="batch">What was sent.</param>
    /// <param name="sent">Indexes of the items that were sent.</param>
    /// <param name="unprocessed">Receives the indexes of those that the table left.</param>
    /// <returns>How many were left, and the consumed capacity units.</returns>
    /// <exception cref="JsonException">It is not such an answer.</exception>
    public static (int Unprocessed, double Units) Read(ReadOnlySpan<byte> body, ItemBatch batch, ReadOnlySpan<int> sent, Span<int> unprocessed)
    {
        var units = 0.0;
        var left = 0;
        var seen = false;
        var reader = new Utf8JsonReader(body);
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("UnprocessedItems"u8))
            {
                seen = true;
                Next(ref reader);
                left = ReadUnprocessed(ref reader, batch, sent, unprocessed);
            }
            else if (reader.ValueTextEquals("ConsumedCapacity"u8))
            {
                Next(ref reader);
                units += ReadUnits(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        return seen ? (left, units) : throw new JsonException("the answer has no UnprocessedItems");
    }

    /// <summary>Value of <c>pk</c> of an item of the batch.</summary>
    public static string PartitionKeyOf(ItemBatch batch, int index)
    {
        var reader = new Utf8JsonReader(batch.Item(index).Span);
        Expect(ref reader, JsonTokenType.StartObject);
        return ReadKey(ref reader).PartitionKey;
    }

    private static double ReadUnits(ref Utf8JsonReader reader)
    {
        var units = 0.0;
        var depth = reader.CurrentDepth;
        while (Next(ref reader) != JsonTokenType.EndArray || reader.CurrentDepth != depth)
        {
            // Depth 1 of each element holds the total; Table, LocalSecondaryIndexes and GlobalSecondaryIndexes below it are its parts.
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == depth + 2 && reader.ValueTextEquals("CapacityUnits"u8))
            {
                Next(ref reader);
                units += reader.GetDouble();
            }
        }

        return units;
    }

    /// <summary>The answer repeats the items, attributes in any order, texts escaped in any way: they are known again by their keys.</summary>
    private static int ReadUnprocessed(ref Utf8JsonReader reader, ItemBatch batch, ReadOnlySpan<int> sent, Span<int> unprocessed)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("UnprocessedItems is not an object");
        }

        Dictionary<(string, string), int>? byKey = null;
        var left = 0;
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            Expect(ref reader, JsonTokenType.StartArray);
            while (Next(ref reader) == JsonTokenType.StartObject)
            {
                byKey ??= Keys(batch, sent);
                var key = ReadOne(ref reader);
                if (!byKey.Remove(key, out var index))
                {
                    throw new JsonException("an unprocessed item was not in the request");
                }

                unprocessed[left++] = index;
            }
        }

        return left;
    }

    /// <summary>Reads <c>{"PutRequest":{"Item":{…}}}</c> or <c>{"DeleteRequest":{"Key":{…}}}</c> from behind its opening brace to its closing one.</summary>
    private static (string, string) ReadOne(ref Utf8JsonReader reader)
    {
        (string, string)? key = null;
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            Expect(ref reader, JsonTokenType.StartObject);
            while (Next(ref reader) == JsonTokenType.PropertyName)
            {
                Expect(ref reader, JsonTokenType.StartObject);
                key = ReadKey(ref reader);
            }
        }

        return key ?? throw new JsonException("an unprocessed item has no key");
    }

    /// <summary>Reads the members of an item from behind its opening brace; stops behind the closing one.</summary>
    private static (string PartitionKey, string SortKey) ReadKey(ref Utf8JsonReader reader)
    {
        string? pk = null;
        string? sk = null;
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("pk"u8))
            {
                pk = ReadText(ref reader);
            }
            else if (reader.ValueTextEquals("sk"u8))
            {
                sk = ReadText(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        return pk is null || sk is null ? throw new JsonException("an item has no pk or sk") : (pk, sk);
    }

    private static string ReadText(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject);
        Expect(ref reader, JsonTokenType.PropertyName);
        Expect(ref reader, JsonTokenType.String);
        var text = reader.GetString()!;
        Expect(ref reader, JsonTokenType.EndObject);
        return text;
    }

    private static Dictionary<(string, string), int> Keys(ItemBatch batch, ReadOnlySpan<int> sent)
    {
        var keys = new Dictionary<(string, string), int>(sent.Length);
        foreach (var index in sent)
        {
            var reader = new Utf8JsonReader(batch.Item(index).Span);
            Expect(ref reader, JsonTokenType.StartObject);
            keys.Add(ReadKey(ref reader), index);
        }

        return keys;
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader) => reader.Read() ? reader.TokenType : throw new JsonException("the answer breaks off");

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (Next(ref reader) != type)
        {
            throw new JsonException($"the answer has {reader.TokenType} where {type} is expected");
        }
    }

    private static void Append(ReadOnlySpan<byte> part, Span<byte> target, ref int at)
    {
        part.CopyTo(target[at..]);
        at += part.Length;
    }
}
