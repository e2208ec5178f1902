using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// A unit of more items than one transaction takes, as it is noted in the control table before its first part. Until it is decided it may be undone; from then on it is done, by who began it or by who finds
/// it left lying. Each part requires that the intent is still its owner's, so an owner that was taken for gone and comes back changes nothing more. The partitions that it works on are its own
/// meanwhile (<see cref="PartitionVersions.Holder"/>).
/// </summary>
/// <param name="What"><see cref="Deletion"/> or <see cref="BillRun"/>; <see cref="Lock"/>: partitions that a unit of one transaction has taken first.</param>
/// <param name="Id">Of the unit, whoever does it.</param>
/// <param name="Entity">Of the row that is deleted, or of the bill.</param>
/// <param name="Item">
/// That row's item, in DynamoDB JSON: of a bill without its sums, of a row that is deleted what others may refer to and what is unique of it.
/// </param>
internal sealed record Intent(string What, string Id, string Owner, EntityModel Entity, string Item)
{
    public const string Deletion = "DELETION";
    public const string BillRun = "BILLRUN";
    public const string Lock = "LOCK";

    private RowBuffer? row;

    /// <summary>The row as who has begun the unit has read it, or the item's.</summary>
    /// <exception cref="MigrationException">The item is not one of this model.</exception>
    public RowBuffer Row { get => row ??= ItemCodec.Decode(Entity, Item); init => row = value; }

    /// <summary>True: nothing can refuse it any more.</summary>
    public bool IsDecided { get; init; }

    /// <summary>True: it was set aside, and its partitions are its own no more.</summary>
    public bool IsAside { get; init; }

    public BillingColumns Columns { get; init; } = new();
}

/// <summary>Keeps intents in the control table.</summary>
internal sealed class IntentLog(TableSide side)
{
    /// <summary>Nothing can refuse it any more.</summary>
    public const string Decided = "decided";

    private const string Aside = "aside";
    private const string Call = "call";

    /// <summary>All its rows are written; what is left is to give the partitions back.</summary>
    public const string Done = "done";

    /// <summary>Nothing of it is left; what is left is to give the partitions back.</summary>
    public const string Undone = "undone";

    /// <summary>
    /// Whose intent has not gone on for so long, by the clock of who watches it, is taken for gone. Longer than a part with all its retries takes, or
    /// two work at the same; that harms nothing.
    /// </summary>
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    private const int MostPlain = 100_000;

    /// <summary>Bytes of an item that are left beside all else in it, of 400 KB.</summary>
    private const int MostPacked = 390_000;

    /// <summary>Each is three items of a transaction, with the intent's own.</summary>
    public const int MostHeld = 45;

    private readonly StoreCalls calls = side.Calls;
    private readonly ControlKeys keys = side.Keys;

    /// <summary>Intents of others as they were seen last, and since when they are so.</summary>
    private readonly Dictionary<string, (string Beat, long Since)> watched = new(StringComparer.Ordinal);

    /// <summary>Notes the intent and gives it partitions.</summary>
    public void Begin(UnitParts parts, Intent intent, IReadOnlyCollection<string> partitions)
    {
        var item = new Dictionary<string, AttributeValue>(keys.Intent(intent.Id))
        {
            ["kind"] = new("Intent"),
            ["what"] = new(intent.What),
            ["owner"] = new(intent.Owner),
            ["entity"] = new(intent.Entity.Entity),
            ["item"] = Packed(intent),
            ["columns"] = new(JsonSerializer.Serialize(intent.Columns)),
            ["rows"] = new() { N = "0" },
            ["parts"] = new() { N = "0" },
            ["subtotal"] = new() { N = "0" },
            ["tax"] = new() { N = "0" },
        };
        parts.Control(new TransactWriteItem { Put = new Put { TableName = keys.Table, Item = item, ConditionExpression = "attribute_not_exists(pk)" } }, new Refusal.LookAgain());
        foreach (var partition in partitions)
        {
            Hold(parts, intent, partition);
        }
    }

    /// <summary>A part of it: required to be its owner's; what the part bills is added up in it.</summary>
    /// <param name="held">Partitions that it takes besides.</param>
    /// <param name="now">
    /// What it is from now on, by the name of an attribute: <see cref="Decided"/>, <see cref="Done"/> or <see cref="Undone"/>. Null: it goes on.
    /// </param>
    /// <param name="call">Item of its call, which is written with it, in DynamoDB JSON; null: there is none.</param>
    public void GoOn(
        UnitParts parts, Intent intent, int rows = 0, BillSums sums = default, IReadOnlyCollection<string>? held = null, string? now = null,
        string? call = null)
    {
        var values = new Dictionary<string, AttributeValue> { [":me"] = new(intent.Owner), [":n"] = Number(rows), [":s"] = Number(sums.Subtotal), [":t"] = Number(sums.Tax), [":1"] = Number(1) };
        var names = new Dictionary<string, string> { ["#n"] = "rows", ["#o"] = "owner", ["#p"] = "parts" };
        var add = "#n :n, subtotal :s, tax :t, #p :1";
        var set = new List<string>();
        if (now is not null)
        {
            set.Add($"{now} = :d");
            values[":d"] = new AttributeValue { BOOL = true };
        }

        if (call is not null)
        {
            set.Add("#c = :c");
            names["#c"] = Call;
            values[":c"] = new AttributeValue(call);
        }

        Update(parts, intent, $"{(set.Count == 0 ? "" : $"SET {string.Join(", ", set)} ")}ADD {add}", names, values);
        foreach (var partition in held ?? [])
        {
            Hold(parts, intent, partition);
        }
    }

    /// <summary>Gives the partitions back, and ends the intent.</summary>
    public async Task EndAsync(Intent intent, TransactionSender sender, CancellationToken cancellationToken)
    {
        while (await side.FindIntentAsync(intent.Id, cancellationToken) is not null)
        {
            var held = await HeldAsync(intent, cancellationToken);
            var parts = new UnitParts(side.Model.Definition, keys);
            foreach (var pk in held)
            {
                Release(parts, intent, pk);
            }

            if (held.Count == MostHeld)
            {
                GoOn(parts, intent);
            }
            else
            {
                parts.Control(
                    new TransactWriteItem
                    {
                        Delete = new Delete { TableName = keys.Table, Key = keys.Intent(intent.Id), ConditionExpression = "#o = :me", ExpressionAttributeNames = new() { ["#o"] = "owner" }, ExpressionAttributeValues = new() { [":me"] = new(intent.Owner) } },
                    },
                    TakenOver(intent));
            }

            await IntentWork.SendAsync(sender, parts);
        }
    }

    /// <summary>Nobody goes on with an intent that cannot be finished: it is kept with the reason, and what it held is free.</summary>
    public async Task SetAsideAsync(Intent intent, string reason, CancellationToken cancellationToken)
    {
        await OwnAsync(intent, $"SET reason = :r, {Aside} = :a", new() { [":r"] = new(reason), [":a"] = new() { BOOL = true } }, cancellationToken);
        // Who meets a partition that is still held then frees it as well.
        await FreeAsync(intent, cancellationToken);
    }

    /// <summary>Nothing is its own any more.</summary>
    public async Task FreeAsync(Intent intent, CancellationToken cancellationToken)
    {
        while (await HeldAsync(intent, cancellationToken) is { Count: > 0 } held)
        {
            foreach (var pk in held)
            {
                await FreeAsync(pk, intent.Id, cancellationToken);
                var given = new DeleteItemRequest { TableName = keys.Table, Key = keys.Held(intent.Id, pk) };
                await calls.RunAsync((client, token) => client.DeleteItemAsync(given, token), cancellationToken);
            }
        }
    }

    /// <summary>Partition keys of the versions of some partitions that a unit holds; fewer than <see cref="MostHeld"/>: there are no others.</summary>
    private async Task<IReadOnlyList<string>> HeldAsync(Intent intent, CancellationToken cancellationToken)
    {
        var query = new QueryRequest
        {
            TableName = keys.Table, ConsistentRead = true, Limit = MostHeld, KeyConditionExpression = "pk = :p",
            ExpressionAttributeValues = new() { [":p"] = keys.HeldBy(intent.Id) },
        };
        var page = await calls.RunAsync((client, token) => client.QueryAsync(query, token), cancellationToken);
        return [.. (page.Items ?? []).Select(i => i[EntityModel.SortKey].S)];
    }

    /// <summary>Changes an intent that is still its owner's.</summary>
    /// <exception cref="StoreException">It is another's.</exception>
    private async Task OwnAsync(Intent intent, string expression, Dictionary<string, AttributeValue> values, CancellationToken cancellationToken)
    {
        values[":me"] = new AttributeValue(intent.Owner);
        var request = new UpdateItemRequest
        {
            TableName = keys.Table, Key = keys.Intent(intent.Id), UpdateExpression = expression, ConditionExpression = "#o = :me",
            ExpressionAttributeNames = new() { ["#o"] = "owner" }, ExpressionAttributeValues = values,
        };
        try
        {
            await calls.RunAsync((client, token) => client.UpdateItemAsync(request, token), cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            throw TakenOverError(intent);
        }
    }

    /// <summary>Item of the call that a unit is, as it was written; null: it has none.</summary>
    public static Dictionary<string, AttributeValue>? CallOf(Dictionary<string, AttributeValue> item) => item.GetValueOrDefault(Call) is { } call ? ItemImage.Parse(Encoding.UTF8.GetBytes(call.S)) : null;

    /// <summary>A partition is nobody's any more.</summary>
    public Task FreePartitionAsync(string partition, string id, CancellationToken cancellationToken) => FreeAsync(KeyOf(partition), id, cancellationToken);

    private async Task FreeAsync(string pk, string id, CancellationToken cancellationToken)
    {
        var free = new UpdateItemRequest
        {
            TableName = keys.Table, Key = VersionKey(pk), UpdateExpression = "REMOVE #h ADD #n :1", ConditionExpression = "#h = :me",
            ExpressionAttributeNames = new() { ["#h"] = PartitionVersions.Holder, ["#n"] = PartitionVersions.Number }, ExpressionAttributeValues = new() { [":me"] = new(id), [":1"] = Number(1) },
        };
        try
        {
            await calls.RunAsync((client, token) => client.UpdateItemAsync(free, token), cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            // It is free already.
        }
    }

    /// <summary>
    /// True when it is left lying: it was the same for the length of a lease, by this process's own clock. Wall clocks differ, and those of machines
    /// that are gone tell nothing.
    /// </summary>
    /// <param name="item">As it is now.</param>
    public bool IsLeft(Dictionary<string, AttributeValue> item)
    {
        var (id, beat, now) = (item[EntityModel.SortKey].S, $"{item["owner"].S} {item["parts"].N}", calls.Time.GetTimestamp());
        lock (watched)
        {
            if (!watched.TryGetValue(id, out var seen) || seen.Beat != beat)
            {
                watched[id] = (beat, now);
                return false;
            }

            return calls.Time.GetElapsedTime(seen.Since, now) >= Lease;
        }
    }

    public static bool IsSo(Dictionary<string, AttributeValue> item, string state) => item.GetValueOrDefault(state)?.BOOL is true;

    public static (int Rows, BillSums Sums) SumsOf(Dictionary<string, AttributeValue> item) => ((int)Decimal(item, "rows"), new BillSums(Decimal(item, "subtotal"), Decimal(item, "tax")));

    /// <summary>Intents that are left lying.</summary>
    /// <param name="all">Also those whose owners may still be at work: they find out with their next part.</param>
    public async Task<IReadOnlyList<Intent>> ListAsync(bool all, CancellationToken cancellationToken)
    {
        var open = new List<Dictionary<string, AttributeValue>>();
        var query = new QueryRequest
        {
            TableName = keys.Table, ConsistentRead = true, KeyConditionExpression = "pk = :p", FilterExpression = "attribute_not_exists(reason)",
            ExpressionAttributeValues = new() { [":p"] = keys.Intents },
        };
        do
        {
            var page = await calls.RunAsync((client, token) => client.QueryAsync(query, token), cancellationToken);
            open.AddRange(page.Items ?? []);
            query.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (query.ExclusiveStartKey is { Count: > 0 });
        lock (watched)
        {
            foreach (var ended in watched.Keys.Except(open.Select(i => i[EntityModel.SortKey].S)).ToArray())
            {
                watched.Remove(ended);
            }
        }

        return [.. open.Where(i => IsLeft(i) || all).Select(Read).OfType<Intent>()];
    }

    /// <summary>Takes an intent over.</summary>
    /// <returns>Null: its owner is there again, or another was quicker.</returns>
    public async Task<Intent?> TakeOverAsync(Intent intent, CancellationToken cancellationToken)
    {
        var mine = intent with { Owner = calls.NewId() };
        var request = new UpdateItemRequest
        {
            TableName = keys.Table, Key = keys.Intent(intent.Id), UpdateExpression = "SET #o = :me", ConditionExpression = "#o = :before OR #o = :me", ExpressionAttributeNames = new() { ["#o"] = "owner" },
            ExpressionAttributeValues = new() { [":me"] = new(mine.Owner), [":before"] = new(intent.Owner) },
            ReturnValues = Amazon.DynamoDBv2.ReturnValue.ALL_NEW,
        };
        try
        {
            var answer = await calls.RunAsync((client, token) => client.UpdateItemAsync(request, token), cancellationToken);
            return Read(answer.Attributes);
        }
        catch (ConditionalCheckFailedException)
        {
            return null;
        }
    }

    public static StoreException TakenOverError(Intent intent) => new(StoreError.Conflict, intent.Id, $"Another goes on with this {intent.What} of {intent.Entity.Entity}.");

    private static Refusal.Told TakenOver(Intent intent) => new Refusal.Told(TakenOverError(intent));

    private void Hold(UnitParts parts, Intent intent, string partition)
    {
        var held = keys.Held(intent.Id, KeyOf(partition));
        held["kind"] = new AttributeValue("Held");
        parts.Note(held);
        parts.Control(HoldItem(intent, partition), new Refusal.Held(partition));
    }

    private TransactWriteItem HoldItem(Intent intent, string partition) =>
        new()
        {
            Update = new Update
            {
                TableName = keys.Table, Key = keys.Version(partition), UpdateExpression = "SET #h = :me ADD #n :1", ConditionExpression = "attribute_not_exists(#h) OR #h = :me",
                ExpressionAttributeNames = new() { ["#h"] = PartitionVersions.Holder, ["#n"] = PartitionVersions.Number }, ExpressionAttributeValues = new() { [":me"] = new(intent.Id), [":1"] = Number(1) },
            },
        };

    private void Release(UnitParts parts, Intent intent, string pk)
    {
        parts.Control(new TransactWriteItem { Delete = new Delete { TableName = keys.Table, Key = keys.Held(intent.Id, pk) } }, new Refusal.LookAgain());
        parts.Control(ReleaseItem(intent, pk), TakenOver(intent));
    }

    private TransactWriteItem ReleaseItem(Intent intent, string pk) =>
        new()
        {
            Update = new Update
            {
                TableName = keys.Table, Key = VersionKey(pk), UpdateExpression = "REMOVE #h ADD #n :1", ConditionExpression = "#h = :me",
                ExpressionAttributeNames = new() { ["#h"] = PartitionVersions.Holder, ["#n"] = PartitionVersions.Number }, ExpressionAttributeValues = new() { [":me"] = new(intent.Id), [":1"] = Number(1) },
            },
        };

    private void Update(UnitParts parts, Intent intent, string expression, Dictionary<string, string> names, Dictionary<string, AttributeValue> values) => parts.Control(
        new TransactWriteItem
        {
            Update = new Update { TableName = keys.Table, Key = keys.Intent(intent.Id), UpdateExpression = expression, ConditionExpression = "#o = :me", ExpressionAttributeNames = names, ExpressionAttributeValues = values },
        },
        TakenOver(intent));

    private string KeyOf(string partition) => keys.Version(partition)[EntityModel.PartitionKey].S;

    private static Dictionary<string, AttributeValue> VersionKey(string pk) => new() { [EntityModel.PartitionKey] = new(pk), [EntityModel.SortKey] = new("VERSION") };

    private static decimal Decimal(Dictionary<string, AttributeValue> item, string name) => item.TryGetValue(name, out var value) ? decimal.Parse(value.N, NumberStyles.Float, CultureInfo.InvariantCulture) : 0;

    private static AttributeValue Number(decimal value) => new() { N = value.ToString(CultureInfo.InvariantCulture) };

    /// <summary>A row of up to 400 KB has its bytes in BASE64 in the text of its item.</summary>
    private static AttributeValue Packed(Intent intent)
    {
        if (intent.Item.Length <= MostPlain)
        {
            return new AttributeValue(intent.Item);
        }

        var packed = new MemoryStream();
        using (var packing = new BrotliStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            packing.Write(Encoding.UTF8.GetBytes(intent.Item));
        }

        packed.Position = 0;
        return packed.Length <= MostPacked ? new AttributeValue { B = packed } : throw StoreErrors.BillTooLarge(intent.Entity.Entity, packed.Length, MostPacked);
    }

    private static string Unpacked(AttributeValue item)
    {
        if (item.B is not { } packed)
        {
            return item.S;
        }

        packed.Position = 0;
        using var unpacking = new StreamReader(new BrotliStream(packed, CompressionMode.Decompress, leaveOpen: true), Encoding.UTF8);
        return unpacking.ReadToEnd();
    }

    /// <returns>Null: it is of an entity that this definition does not have.</returns>
    public Intent? Read(Dictionary<string, AttributeValue> item) => side.Model.Entities.FirstOrDefault(e => e.Entity == item["entity"].S) is { } entity
        ? new Intent(item["what"].S, item[EntityModel.SortKey].S, item["owner"].S, entity, Unpacked(item["item"]))
        {
            IsDecided = IsSo(item, Decided), IsAside = IsSo(item, Aside), Columns = JsonSerializer.Deserialize<BillingColumns>(item["columns"].S)!,
        }
        : null;
}

/// <summary>Sends parts of a large unit.</summary>
internal static class IntentWork
{
    /// <summary>Sends all that is read, some at a time, and reads it anew until each part was done as it was made.</summary>
    /// <param name="read">What is left to be done.</param>
    /// <param name="most">Of what is read, for one <paramref name="send"/>.</param>
    /// <param name="send">False: what it was made from has changed.</param>
    public static async Task UntilDoneAsync<T>(Func<IAsyncEnumerable<T>> read, int most, Func<List<T>, Task<bool>> send)
    {
        for (var isDone = false; !isDone;)
        {
            isDone = true;
            var some = new List<T>();
            await foreach (var one in read())
            {
                some.Add(one);
                if (some.Count == most)
                {
                    isDone &= await send(some);
                    some.Clear();
                }
            }

            isDone &= some.Count == 0 || await send(some);
        }
    }

    /// <summary>Sends rows in parts, as many in each as a transaction takes.</summary>
    /// <param name="make">The part of some of them.</param>
    /// <returns>False: what one of them was made from has changed.</returns>
    /// <inheritdoc cref="SendAsync"/>
    public static async Task<bool> InPartsAsync<T>(TransactionSender sender, List<T> rows, Func<List<T>, Task<UnitParts>> make)
    {
        var (isDone, most) = (true, rows.Count);
        for (var next = 0; next < rows.Count;)
        {
            var some = rows[next..Math.Min(rows.Count, next + most)];
            var parts = await make(some);
            try
            {
                if (parts.Fits || some.Count == 1)
                {
                    isDone &= await SendAsync(sender, parts);
                    next += some.Count;
                    continue;
                }
            }
            catch (StoreException e) when (e.Error == StoreError.TooManyRows && some.Count > 1)
            {
                // What stands in the items besides these rows counts too.
            }

            most = some.Count / 2;
        }

        return isDone;
    }

    /// <returns>False: what it was made from has changed, and is looked for again.</returns>
    /// <exception cref="StoreException">Another goes on with the unit.</exception>
    /// <exception cref="PartitionHeldException">Another large unit is at work there.</exception>
    public static async Task<bool> SendAsync(TransactionSender sender, UnitParts parts)
    {
        var token = sender.NewToken();
        var sent = await sender.SendAsync(parts, token, CancellationToken.None);
        if (sent.Done is null && token.IsUnanswered)
        {
            sent = sent with { Done = await sender.SettleAsync(token) };
        }

        var refused = sent.Done is null ? sent.Refused.Select(parts.RefusalOf).ToArray() : [];
        return await Refusal.ToldByAsync(refused, CancellationToken.None) is { } told ? throw told
            : refused.OfType<Refusal.Held>().FirstOrDefault() is { } held ? throw new PartitionHeldException(held.Partition)
            : sent.Done is not null;
    }
}
