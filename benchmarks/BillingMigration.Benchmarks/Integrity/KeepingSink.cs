using System.Globalization;
using System.Text;
using System.Text.Json;
using BillingMigration.Benchmarks.Export;

namespace BillingMigration.Benchmarks.Integrity;

/// <summary>
/// Keeps the items of BatchWriteItem in memory and gives them back to Scan, their attributes in another order: a table that takes no time to speak of, for tables larger
/// than DynamoDB Local can hold. Every key is put once.
/// </summary>
/// <param name="pageTime">Time that a page of Scan takes, as it does at a table on other machines.</param>
internal sealed class KeepingSink(TimeSpan pageTime) : ISinkTable
{
    private const int PageBytes = 1024 * 1024;

    private readonly List<byte[]> items = [];

    public byte[]? Answer(string operation, ReadOnlyMemory<byte> body)
    {
        if (operation == "BatchWriteItem")
        {
            Put(body.Span);
        }

        return operation == "Scan" ? Scan(body) : null;
    }

    public TimeSpan TimeOf(string operation) => operation == "Scan" ? pageTime : TimeSpan.Zero;

    /// <summary>Takes the items of a request's puts.</summary>
    private void Put(ReadOnlySpan<byte> request)
    {
        var json = new Utf8JsonReader(request);
        while (json.Read())
        {
            if (json.TokenType == JsonTokenType.PropertyName && json.ValueTextEquals("Item"u8))
            {
                json.Read();
                var start = (int)json.TokenStartIndex;
                json.Skip();
                var item = Reordered(request[start..(int)json.BytesConsumed]);
                lock (items)
                {
                    items.Add(item);
                }
            }
        }
    }

    /// <summary>One page of a segment; its last key is the number of the item to go on with.</summary>
    private byte[] Scan(ReadOnlyMemory<byte> request)
    {
        using var json = JsonDocument.Parse(request);
        var root = json.RootElement;
        var segments = root.TryGetProperty("TotalSegments", out var all) ? all.GetInt64() : 1;
        var segment = root.TryGetProperty("Segment", out var one) ? one.GetInt64() : 0;
        var (first, end) = ((int)(items.Count * segment / segments), (int)(items.Count * (segment + 1) / segments));
        var at = root.TryGetProperty("ExclusiveStartKey", out var key) ? int.Parse(key.GetProperty("pk").GetProperty("S").GetString()!, CultureInfo.InvariantCulture) : first;
        using var page = new MemoryStream(PageBytes + 4096);
        page.Write("{\"Items\":["u8);
        for (var begun = at; at < end && page.Length < PageBytes; at++)
        {
            page.Write(at == begun ? [] : ","u8);
            page.Write(items[at]);
        }

        page.Write(Encoding.ASCII.GetBytes(at < end
            ? string.Create(CultureInfo.InvariantCulture, $"],\"LastEvaluatedKey\":{{\"pk\":{{\"S\":\"{at}\"}},\"sk\":{{\"S\":\"-\"}}}}}}")
            : "]}"));
        return page.ToArray();
    }

    /// <summary>The same item with the first half of its attributes behind the second.</summary>
    private static byte[] Reordered(ReadOnlySpan<byte> item)
    {
        using var json = JsonDocument.Parse(item.ToArray());
        var attributes = json.RootElement.EnumerateObject().Select(a => a.ToString()).ToArray();
        var half = attributes.Length / 2;
        return Encoding.UTF8.GetBytes("{" + string.Join(',', attributes[half..].Concat(attributes[..half])) + "}");
    }
}
