using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>Adds up the capacity units that a request consumes, by table.</summary>
internal sealed class Capacity
{
    private const int ReadUnit = 4096;
    private const int WriteUnit = 1024;
    private readonly SortedDictionary<string, (double Total, double Read, double Write)> tables = new(StringComparer.Ordinal);
    private readonly bool wanted;

    private Capacity(bool wanted) => this.wanted = wanted;

    public static Capacity Of(JsonElement request) => new(request.Text("ReturnConsumedCapacity"u8) switch
    {
        null or "NONE" => false,
        "TOTAL" or "INDEXES" => true,
        var other => throw ServiceError.Invalid($"ReturnConsumedCapacity cannot be {other}"),
    });

    /// <summary>A read of so many bytes: half a unit for each 4 KB, a whole one if consistent, two in a transaction.</summary>
    public void AddRead(string table, int bytes, double factor) => Add(table, Units(bytes, ReadUnit) * factor, isWrite: false);

    /// <summary>A write counts the larger image, and each index that it changes.</summary>
    public void AddWrite(TableSchema table, Item? before, Item? after, double factor)
    {
        var units = (double)Units(Math.Max(before?.Size ?? 0, after?.Size ?? 0), WriteUnit);
        if (!ReferenceEquals(before, after))
        {
            units += table.Indexes.Sum(i => IndexUnits(i, before, after));
        }

        Add(table.Name, units * factor, isWrite: true);
    }

    public void WriteOne(Utf8JsonWriter json)
    {
        if (wanted)
        {
            foreach (var (table, units) in tables)
            {
                json.WritePropertyName("ConsumedCapacity"u8);
                Write(json, table, units, detailed: false);
            }
        }
    }

    public void WriteAll(Utf8JsonWriter json, bool detailed = false)
    {
        if (wanted)
        {
            json.WriteStartArray("ConsumedCapacity"u8);
            foreach (var (table, units) in tables)
            {
                Write(json, table, units, detailed);
            }

            json.WriteEndArray();
        }
    }

    private static void Write(Utf8JsonWriter json, string table, (double Total, double Read, double Write) units, bool detailed)
    {
        json.WriteStartObject();
        json.WriteString("TableName"u8, table);
        json.WriteNumber("CapacityUnits"u8, units.Total);
        if (detailed && units.Read > 0)
        {
            json.WriteNumber("ReadCapacityUnits"u8, units.Read);
        }

        if (detailed && units.Write > 0)
        {
            json.WriteNumber("WriteCapacityUnits"u8, units.Write);
        }

        json.WriteEndObject();
    }

    private static int Units(int bytes, int unit) => Math.Max(1, (bytes + unit - 1) / unit);

    private static int IndexUnits(IndexSchema index, Item? before, Item? after)
    {
        var (old, image) = (index.Project(before), index.Project(after));
        if (old is null && image is null)
        {
            return 0;
        }

        if (old is not null && image is not null)
        {
            return old.Equals(image) ? 0
                : index.KeyOf(old).Equals(index.KeyOf(image)) ? Units(Math.Max(old.Size, image.Size), WriteUnit)
                : Units(old.Size, WriteUnit) + Units(image.Size, WriteUnit);
        }

        return Units((old ?? image)!.Size, WriteUnit);
    }

    private void Add(string table, double units, bool isWrite)
    {
        tables.TryGetValue(table, out var sum);
        tables[table] = (sum.Total + units, sum.Read + (isWrite ? 0 : units), sum.Write + (isWrite ? units : 0));
    }
}
