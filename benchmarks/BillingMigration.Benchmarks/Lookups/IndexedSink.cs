using System.Globalization;
using System.Text;
using System.Text.Json;
using BillingMigration.Benchmarks.Export;

namespace BillingMigration.Benchmarks.Lookups;

/// <summary>
/// A table in memory with its indexes, up to date at once: BatchWriteItem, BatchGetItem, GetItem, Query by a partition key and Scan. DynamoDB Local takes some 2,500 items a second
/// with two indexes, which is where a migration into it waits.
/// </summary>
internal sealed class IndexedSink : ISinkTable
{
    private const int PageBytes = 1024 * 1024;

    private readonly Dictionary<string, Table> tables = [];

    private sealed class Table
    {
        public Dictionary<string, byte[]> Items { get; } = [];

        /// <summary>Keys of items, by name and value of a partition key.</summary>
        public Dictionary<string, HashSet<string>> Partitions { get; } = [];

        public Dictionary<int, string[]> Scans { get; } = [];
    }

    public byte[]? Answer(string operation, ReadOnlyMemory<byte> body)
    {
        using var json = JsonDocument.Parse(body);
        lock (tables)
        {
            if (operation == "BatchWriteItem")
            {
                Write(json.RootElement.GetProperty("RequestItems"));
                return "{\"UnprocessedItems\":{}}"u8.ToArray();
            }

            if (operation == "BatchGetItem")
            {
                var request = json.RootElement.GetProperty("RequestItems").EnumerateObject().Single();
                return tables.TryGetValue(request.Name, out var read)
                    ? [.. Encoding.UTF8.GetBytes($"{{\"Responses\":{{\"{request.Name}\":["), .. Joined(request.Value.GetProperty("Keys").EnumerateArray().Select(k => read.Items.GetValueOrDefault(KeyOf(k)))), .. "]},\"UnprocessedKeys\":{}}"u8]
                    : null;
            }

            if (!json.RootElement.TryGetProperty("TableName", out var name) || !tables.TryGetValue(name.GetString()!, out var table))
            {
                return null;
            }

            return operation switch
            {
                "GetItem" => table.Items.TryGetValue(KeyOf(json.RootElement.GetProperty("Key")), out var item) ? [.. "{\"Item\":"u8, .. item, .. "}"u8] : "{}"u8.ToArray(),
                "Query" => Query(table, json.RootElement),
                "Scan" => Scan(table, json.RootElement),
                _ => null,
            };
        }
    }

    private static string Text(JsonElement item, string attribute) => item.GetProperty(attribute).GetProperty("S").GetString()!;

    private static string KeyOf(JsonElement item) => $"{Text(item, "pk")}\n{Text(item, "sk")}";

    private static byte[] Joined(IEnumerable<byte[]?> items)
    {
        using var all = new MemoryStream();
        foreach (var item in items.OfType<byte[]>())
        {
            all.Write(all.Length == 0 ? [] : ","u8);
            all.Write(item);
        }

        return all.ToArray();
    }

    private void Write(JsonElement requests)
    {
        foreach (var request in requests.EnumerateObject())
        {
            if (!tables.TryGetValue(request.Name, out var table))
            {
                tables.Add(request.Name, table = new Table());
            }

            foreach (var change in request.Value.EnumerateArray())
            {
                var isPut = change.TryGetProperty("PutRequest", out var put);
                var item = isPut ? put.GetProperty("Item") : change.GetProperty("DeleteRequest").GetProperty("Key");
                var key = KeyOf(item);
                if (table.Items.Remove(key, out var old))
                {
                    using var before = JsonDocument.Parse(old);
                    foreach (var partition in PartitionsOf(before.RootElement))
                    {
                        table.Partitions[partition].Remove(key);
                    }
                }

                if (isPut)
                {
                    table.Items.Add(key, Encoding.UTF8.GetBytes(item.GetRawText()));
                    foreach (var partition in PartitionsOf(item))
                    {
                        (table.Partitions.TryGetValue(partition, out var keys) ? keys : table.Partitions[partition] = new HashSet<string>(1)).Add(key);
                    }
                }
            }
        }
    }

    private static IEnumerable<string> PartitionsOf(JsonElement item) =>
        item.EnumerateObject().Where(a => a.Name == "pk" || (a.Name.StartsWith("gsi", StringComparison.Ordinal) && a.Name.EndsWith("pk", StringComparison.Ordinal))).Select(a => $"{a.Name}\n{Text(item, a.Name)}");

    private static byte[] Query(Table table, JsonElement request)
    {
        var index = request.TryGetProperty("IndexName", out var name) ? name.GetString() : null;
        var found = table.Partitions.TryGetValue($"{index}pk\n{Text(request.GetProperty("ExpressionAttributeValues"), ":p")}", out var keys) ? keys : [];
        return [.. "{\"Items\":["u8, .. Joined(found.Select(k => index is null ? table.Items[k] : Projected(table.Items[k], index))), .. "]}"u8];
    }

    /// <summary>An index that includes no attributes has the keys only.</summary>
    private static byte[] Projected(byte[] item, string index)
    {
        using var json = JsonDocument.Parse(item);
        return Encoding.UTF8.GetBytes("{" + string.Join(',', json.RootElement.EnumerateObject().Where(a => a.Name is "pk" or "sk" || a.Name == $"{index}pk" || a.Name == $"{index}sk").Select(a => a.ToString())) + "}");
    }

    /// <summary>One page of a segment; its last key is the number of the item to go on with.</summary>
    private static byte[] Scan(Table table, JsonElement request)
    {
        var (segment, segments) = (request.GetProperty("Segment").GetInt32(), request.GetProperty("TotalSegments").GetInt32());
        var at = 0;
        if (request.TryGetProperty("ExclusiveStartKey", out var from))
        {
            at = int.Parse(Text(from, "pk"), CultureInfo.InvariantCulture);
        }
        else
        {
            table.Scans[segment] = [.. table.Items.Keys.Where(k => (uint)string.GetHashCode(k, StringComparison.Ordinal) % segments == segment)];
        }

        var keys = table.Scans[segment];
        var bytes = 0;
        var page = new List<byte[]>();
        for (; at < keys.Length && bytes < PageBytes; at++)
        {
            if (table.Items.TryGetValue(keys[at], out var item))
            {
                page.Add(item);
                bytes += item.Length;
            }
        }

        var end = at < keys.Length ? string.Create(CultureInfo.InvariantCulture, $"],\"LastEvaluatedKey\":{{\"pk\":{{\"S\":\"{at}\"}},\"sk\":{{\"S\":\"-\"}}}}}}") : "]}";
        return [.. "{\"Items\":["u8, .. Joined(page), .. Encoding.ASCII.GetBytes(end)];
    }
}
