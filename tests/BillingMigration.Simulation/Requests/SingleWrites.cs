using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>PutItem, UpdateItem, DeleteItem and BatchWriteItem.</summary>
internal sealed class SingleWrites(Database database, Chance chance, SimulationOptions options, VirtualTime time)
{
    private static readonly string[] OldOrNone = ["NONE", "ALL_OLD"];
    private static readonly string[] AllReturns = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"];

    public void Write(WriteKind kind, SimulatedRequest sent, JsonElement request, bool conflict, Utf8JsonWriter json)
    {
        var table = database.Find(request);
        var write = ItemWrite.Read(kind, request, table, database.Expressions);
        var wanted = request.Text("ReturnValues"u8) ?? "NONE";
        if (!(kind == WriteKind.Update ? AllReturns : OldOrNone).Contains(wanted))
        {
            throw ServiceError.Invalid($"ReturnValues set to invalid value: {wanted}");
        }

        var capacity = Capacity.Of(request);
        if (conflict || table.IsLocked(write.Key) || chance.Of(options.SpuriousConflict))
        {
            throw new ServiceError("TransactionConflictException", "Transaction is ongoing for the item");
        }

        var before = table.Current(write.Key);
        if (!write.ConditionHolds(before))
        {
            throw new ServiceError("ConditionalCheckFailedException", "The conditional request failed", details: write.ReturnsOldOnFailure && before is not null
                ? details =>
                {
                    details.WritePropertyName("Item"u8);
                    ItemJson.Write(details, before);
                }
                : null);
        }

        var after = write.Apply(before);
        database.Commit(sent, [(table, write.Key, after)], isTransaction: false);
        capacity.AddWrite(table.Schema, before, after, 1);
        if (write.Returned(wanted, before, after) is { } returned)
        {
            json.WritePropertyName("Attributes"u8);
            ItemJson.Write(json, returned);
        }

        capacity.WriteOne(json);
    }

    /// <summary>Writes each item of a batch at an instant of its own; <paramref name="done"/> gets the answer after the last one.</summary>
    public void WriteBatch(SimulatedRequest sent, JsonElement request, bool conflict, Action<Action<Utf8JsonWriter>> done)
    {
        var capacity = Capacity.Of(request);
        var writes = ReadBatch(request);
        var partial = chance.Of(options.PartialBatch);
        var unwritten = new List<(string Table, JsonElement Request)>();
        var left = writes.Count;
        foreach (var ((table, key, item, given), i) in writes.Select((w, i) => (w, i)))
        {
            After(chance.Span(options.Work), () =>
            {
                if ((conflict && i == 0) || table.IsLocked(key) || (partial && chance.Of(0.5)))
                {
                    unwritten.Add((table.Schema.Name, given));
                }
                else
                {
                    var before = table.Current(key);
                    database.Commit(sent, [(table, key, item)], isTransaction: false);
                    capacity.AddWrite(table.Schema, before, item, 1);
                }

                if (--left == 0)
                {
                    done(json => WriteAnswer(json, unwritten, capacity));
                }
            });
        }
    }

    private static void WriteAnswer(Utf8JsonWriter json, List<(string Table, JsonElement Request)> unwritten, Capacity capacity)
    {
        json.WriteStartObject("UnprocessedItems"u8);
        foreach (var group in unwritten.GroupBy(u => u.Table))
        {
            json.WriteStartArray(group.Key);
            foreach (var (_, request) in group)
            {
                request.WriteTo(json);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        capacity.WriteAll(json);
    }

    private List<(Table Table, ItemKey Key, Item? Item, JsonElement Given)> ReadBatch(JsonElement request)
    {
        var writes = new List<(Table Table, ItemKey Key, Item? Item, JsonElement Given)>();
        foreach (var member in request.Required("RequestItems"u8).EnumerateObject())
        {
            var table = database.Find(member.Name);
            foreach (var given in member.Value.EnumerateArray())
            {
                if (given.Has("PutRequest"u8, out var put))
                {
                    var item = ItemJson.ReadItem(put.Required("Item"u8));
                    writes.Add((table, table.Schema.KeyOf(item), item, given));
                    ItemWrite.RequireSize(item);
                }
                else
                {
                    writes.Add((table, table.Schema.KeyOf(given.Required("DeleteRequest"u8).Required("Key"u8)), null, given));
                }
            }
        }

        if (writes.Count is 0 or > 25 || writes.Select(w => (w.Table, w.Key)).Distinct().Count() != writes.Count)
        {
            throw ServiceError.Invalid("BatchWriteItem needs 1 to 25 requests, each for an item of its own");
        }

        return writes;
    }

    private void After(TimeSpan span, Action action)
    {
        if (span == TimeSpan.Zero)
        {
            action();
        }
        else
        {
            time.Schedule(span, action);
        }
    }
}
