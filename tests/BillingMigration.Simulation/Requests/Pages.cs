using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>Query and Scan: one page of a table or an index.</summary>
internal sealed class Pages(Database database, Reads reads)
{
    private const int MaxPage = 1 << 20;

    public void Query(JsonElement request, Utf8JsonWriter json, long arrived)
    {
        var view = View.Open(database, request);
        var parsed = database.Expressions.Keys(request, view.Bindings) ?? throw ServiceError.Invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified");
        var condition = KeyCondition.Create(parsed, view.Bindings, view.Keys);
        view.ReadRest(database, request);
        view.RefuseKeyFilter();
        var probe = new ItemKey(condition.Partition, null);
        bool InPartition(Entry e) => e.Position.Hash == probe.Hash && e.Position.Partition.Equals(condition.Partition);
        if (view.Start is { } start && !(InPartition(start) && condition.Holds(start.Position, view.Keys, view.Bindings)))
        {
            throw ServiceError.Invalid("The provided starting key is outside query boundaries based on provided conditions");
        }

        var from = view.Entries.Seek(e => IsBefore(e, probe, condition.Low));
        var range = view.Entries.Ordered.Skip(from).TakeWhile(InPartition).Where(e => condition.Holds(e.Position, view.Keys, view.Bindings));
        if (!request.Flag("ScanIndexForward"u8, missing: true))
        {
            range = range.Reverse();
            view.IsBackward = true;
        }

        Write(request, json, arrived, view, range);
    }

    public void Scan(JsonElement request, Utf8JsonWriter json, long arrived)
    {
        var view = View.Open(database, request);
        view.ReadRest(database, request);
        var (segment, total) = (request.Number("Segment"u8), request.Number("TotalSegments"u8));
        if (segment is null != total is null || segment < 0 || total is < 1 or > 1_000_000 || segment >= total)
        {
            throw ServiceError.Invalid("Segment must be at least 0 and less than TotalSegments");
        }

        var from = view.Start is { } start ? view.Entries.Seek(e => Entry.Compare(e, start) <= 0) : 0;
        IEnumerable<Entry> range = view.Entries.Ordered.Skip(from);
        if (total is { } count)
        {
            range = range.Where(e => (int)(((ulong)e.Position.Hash * (ulong)count) >> 32) == segment);
        }

        Write(request, json, arrived, view, range);
    }

    private static bool IsBefore(Entry entry, ItemKey partition, ItemValue? low)
    {
        var order = ItemKey.Compare(entry.Position, partition);
        return order < 0 || (order == 0 && low is not null && entry.Position.Sort is { } sort && ItemValue.Compare(sort, low) < 0);
    }

    private void Write(JsonElement request, Utf8JsonWriter json, long arrived, View view, IEnumerable<Entry> range)
    {
        var capacity = Capacity.Of(request);
        var (found, scanned, bytes) = (0, 0, 0);
        Entry? last = null;
        if (!view.CountsOnly)
        {
            json.WriteStartArray("Items"u8);
        }

        foreach (var entry in range)
        {
            if (view.Start is { } start && Entry.Compare(entry, start) * (view.IsBackward ? -1 : 1) <= 0)
            {
                continue;
            }

            if (entry.At(reads.Instant(view.IsConsistent, arrived)) is not { } item)
            {
                continue;
            }

            scanned++;
            bytes += item.Size;
            if (view.Filter is null || view.Filter.Holds(item, view.Bindings))
            {
                found++;
                view.WriteItem(json, item);
            }

            if (scanned == view.Limit || bytes > MaxPage)
            {
                last = entry;
                break;
            }
        }

        if (!view.CountsOnly)
        {
            json.WriteEndArray();
        }

        json.WriteNumber("Count"u8, found);
        json.WriteNumber("ScannedCount"u8, scanned);
        if (last is not null)
        {
            view.WriteKey(json, last);
        }

        capacity.AddRead(view.Table.Schema.Name, bytes, view.IsConsistent ? 1 : 0.5);
        capacity.WriteOne(json);
    }
}
