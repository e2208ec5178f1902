using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>GetItem, BatchGetItem and TransactGetItems.</summary>
internal sealed class Reads(Database database, Chance chance, SimulationOptions options, VirtualTime time)
{
    private const int MaxBatchBytes = 16 << 20;

    public void Get(JsonElement request, Utf8JsonWriter json, long arrived)
    {
        var table = database.Find(request);
        RequestMembers.RefuseLegacy(request);
        var capacity = Capacity.Of(request);
        var bindings = new Bindings(request);
        var projection = database.Expressions.Projection(request, bindings);
        bindings.RequireAllUsed();
        var key = table.Schema.KeyOf(request.Required("Key"u8));
        var consistent = request.Flag("ConsistentRead"u8);

        // Of the reads that are not transactions, only this one sees a commit whole.
        var item = consistent ? table.Current(key) : table.Entries.Find(key)?.At(Instant(false, arrived));
        capacity.AddRead(table.Schema.Name, item?.Size ?? 0, consistent ? 1 : 0.5);
        if (item is not null)
        {
            json.WritePropertyName("Item"u8);
            ItemJson.Write(json, projection is null ? item : Projection.Of(item, projection.Paths, bindings));
        }

        capacity.WriteOne(json);
    }

    /// <summary>The instant of which a read that is not serializable sees one item; each item has its own.</summary>
    public long Instant(bool consistent, long arrived) => consistent ? chance.Instant(arrived, time.Now) : time.Now - chance.Span(options.StaleRead).Ticks;

    public void Batch(JsonElement request, Utf8JsonWriter json, long arrived)
    {
        var capacity = Capacity.Of(request);
        var reads = new List<(JsonProperty Member, Table Table, Bindings Bindings, ParsedProjection? Projection, List<(JsonElement Json, ItemKey Key)> Keys)>();
        foreach (var member in request.Required("RequestItems"u8).EnumerateObject())
        {
            var table = database.Find(member.Name);
            RequestMembers.RefuseLegacy(member.Value);
            var bindings = new Bindings(member.Value);
            var projection = database.Expressions.Projection(member.Value, bindings);
            bindings.RequireAllUsed();
            var keys = member.Value.Required("Keys"u8).EnumerateArray().Select(k => (k, table.Schema.KeyOf(k))).ToList();
            if (keys.Count == 0 || keys.Select(k => k.Item2).Distinct().Count() != keys.Count)
            {
                throw ServiceError.Invalid(keys.Count == 0 ? "Keys must not be empty" : "Provided list of item keys contains duplicates");
            }

            reads.Add((member, table, bindings, projection, keys));
        }

        if (reads.Sum(r => r.Keys.Count) is 0 or > 100)
        {
            throw ServiceError.Invalid("Too many items requested for the BatchGetItem call, or none");
        }

        WriteBatch(json, arrived, capacity, reads);
        capacity.WriteAll(json);
    }

    private void WriteBatch(
        Utf8JsonWriter json,
        long arrived,
        Capacity capacity,
        List<(JsonProperty Member, Table Table, Bindings Bindings, ParsedProjection? Projection, List<(JsonElement Json, ItemKey Key)> Keys)> reads)
    {
        var partial = chance.Of(options.PartialBatch);
        var unread = new List<(JsonProperty Member, List<JsonElement> Keys)>();
        var bytes = 0;
        var isFull = false;
        json.WriteStartObject("Responses"u8);
        foreach (var (member, table, bindings, projection, keys) in reads)
        {
            var left = new List<JsonElement>();
            var consistent = member.Value.Flag("ConsistentRead"u8);
            json.WriteStartArray(member.Name);
            foreach (var (given, key) in keys)
            {
                var item = table.Entries.Find(key)?.At(Instant(consistent, arrived));
                isFull |= bytes + (item?.Size ?? 0) > MaxBatchBytes;
                if (isFull || (partial && chance.Of(0.5)))
                {
                    left.Add(given);
                    continue;
                }

                bytes += item?.Size ?? 0;

                capacity.AddRead(table.Schema.Name, item?.Size ?? 0, consistent ? 1 : 0.5);
                if (item is not null)
                {
                    ItemJson.Write(json, projection is null ? item : Projection.Of(item, projection.Paths, bindings));
                }
            }

            json.WriteEndArray();
            if (left.Count > 0)
            {
                unread.Add((member, left));
            }
        }

        json.WriteEndObject();
        WriteUnread(json, unread);
    }

    private static void WriteUnread(Utf8JsonWriter json, List<(JsonProperty Member, List<JsonElement> Keys)> unread)
    {
        json.WriteStartObject("UnprocessedKeys"u8);
        foreach (var (member, keys) in unread)
        {
            json.WriteStartObject(member.Name);
            foreach (var part in member.Value.EnumerateObject().Where(p => p.Name != "Keys"))
            {
                part.WriteTo(json);
            }

            json.WriteStartArray("Keys"u8);
            keys.ForEach(k => k.WriteTo(json));
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    public void Transact(JsonElement request, Utf8JsonWriter json)
    {
        var capacity = Capacity.Of(request);
        var gets = new List<(Table Table, ItemKey Key, ParsedProjection? Projection, Bindings Bindings)>();
        foreach (var element in request.Required("TransactItems"u8).EnumerateArray())
        {
            var get = element.Required("Get"u8);
            var table = database.Find(get);
            var bindings = new Bindings(get);
            var projection = database.Expressions.Projection(get, bindings);
            bindings.RequireAllUsed();
            gets.Add((table, table.Schema.KeyOf(get.Required("Key"u8)), projection, bindings));
        }

        if (gets.Count is 0 or > 100 || gets.Select(g => (g.Table, g.Key)).Distinct().Count() != gets.Count)
        {
            throw ServiceError.Invalid("TransactItems must have 1 to 100 members, each with an item of its own");
        }

        if (gets.Any(g => g.Table.IsLocked(g.Key)))
        {
            throw Cancellation.Error([.. gets.Select(g => new Cancellation(g.Table.IsLocked(g.Key) ? Cancellation.Conflict : Cancellation.None, null))]);
        }

        Transactions.RequireSize(gets.Sum(g => (long)(g.Table.Current(g.Key)?.Size ?? 0)));
        json.WriteStartArray("Responses"u8);
        foreach (var (table, key, projection, bindings) in gets)
        {
            json.WriteStartObject();
            var item = table.Current(key);
            capacity.AddRead(table.Schema.Name, item?.Size ?? 0, 2);
            if (item is not null)
            {
                json.WritePropertyName("Item"u8);
                ItemJson.Write(json, projection is null ? item : Projection.Of(item, projection.Paths, bindings));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        capacity.WriteAll(json, detailed: true);
    }
}
