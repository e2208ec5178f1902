using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// A unit of more items than one transaction takes, as it is noted in the control table before its first part: from then on it is done, by who began it or by who finds it left lying.
/// Each part requires that the intent is still its owner's, so an owner that was taken for gone and comes back changes nothing more.
/// </summary>
/// <param name="What"><see cref="Deletion"/> or <see cref="BillRun"/>.</param>
/// <param name="Id">Of the unit, whoever does it.</param>
/// <param name="Entity">Of the row that is deleted or billed.</param>
/// <param name="Row">What of that row its children refer to.</param>
internal sealed record Intent(string What, string Id, string Owner, EntityModel Entity, RowBuffer Row)
{
    public const string Partition = "INTENT";
    public const string Deletion = "DELETION";
    public const string BillRun = "BILLRUN";

    /// <summary>Bill run: entity of the bill, and its item without its sums, in DynamoDB JSON.</summary>
    public EntityModel? Bill { get; init; }

    public string? BillItem { get; init; }

    public BillingColumns Columns { get; init; } = new();

    public string RowText => Entity.Describe(Row);
}

/// <summary>Keeps intents in the control table.</summary>
internal sealed class IntentLog(BillingModel model, IAmazonDynamoDB client, TimeProvider time)
{
    /// <summary>Each part renews it. Longer than a part with all its retries takes, or two work at the same; that harms nothing.</summary>
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Ages = TimeSpan.FromDays(365);

    private readonly TransactionParts keys = new(model.Definition, time);

    private string Table => model.Definition.Target.ControlTableName;

    public void Begin(TransactionParts parts, Intent intent)
    {
        var key = Key(intent);
        var item = new Dictionary<string, AttributeValue>(key)
        {
            ["kind"] = new("Intent"),
            ["what"] = new(intent.What),
            ["id"] = new(intent.Id),
            ["owner"] = new(intent.Owner),
            ["until"] = keys.Seconds(Lease),
            ["entity"] = new(intent.Entity.Entity),
            ["row"] = new() { M = Columns(intent.Entity).Where(i => !intent.Row.IsNull(i)).ToDictionary(i => intent.Entity.Row[i].Column.Name, i => new AttributeValue { B = new MemoryStream(intent.Row[i].ToArray()) }), IsMSet = true },
            ["rows"] = new() { N = "0" },
        };
        if (intent is { Bill: { } bill, BillItem: { } billItem })
        {
            item["bill"] = new AttributeValue(bill.Entity);
            item["billItem"] = new AttributeValue(billItem);
            item["columns"] = new AttributeValue(JsonSerializer.Serialize(intent.Columns));
            item["subtotal"] = new AttributeValue { N = "0" };
            item["tax"] = new AttributeValue { N = "0" };
        }

        parts.Add(new TransactWriteItem { Put = new Put { TableName = Table, Item = item, ConditionExpression = "attribute_not_exists(pk)" } }, key, StoreErrors.Busy(intent.Entity, intent.RowText));
    }

    /// <summary>A part of it: required to be its owner's, whose lease begins anew; what the part bills is added up in it.</summary>
    public void GoOn(TransactionParts parts, Intent intent, int rows, decimal subtotal = 0, decimal tax = 0)
    {
        var values = new Dictionary<string, AttributeValue> { [":me"] = new(intent.Owner), [":u"] = keys.Seconds(Lease), [":n"] = Number(rows) };
        var sums = "";
        if (intent.What == Intent.BillRun)
        {
            (values[":s"], values[":t"], sums) = (Number(subtotal), Number(tax), ", subtotal :s, tax :t");
        }

        parts.Add(
            new TransactWriteItem
            {
                Update = new Update
                {
                    TableName = Table,
                    Key = Key(intent),
                    UpdateExpression = $"SET #u = :u ADD #n :n{sums}",
                    ConditionExpression = "#o = :me",
                    ExpressionAttributeNames = new() { ["#u"] = "until", ["#n"] = "rows", ["#o"] = "owner" },
                    ExpressionAttributeValues = values,
                },
            },
            Key(intent), TakenOver(intent));
    }

    public void End(TransactionParts parts, Intent intent) => parts.Add(
        new TransactWriteItem
        {
            Delete = new Delete { TableName = Table, Key = Key(intent), ConditionExpression = "#o = :me", ExpressionAttributeNames = new() { ["#o"] = "owner" }, ExpressionAttributeValues = new() { [":me"] = new AttributeValue(intent.Owner) } },
        },
        Key(intent), TakenOver(intent));

    public static bool IsTakenOver(StoreException e, Intent intent) => e.Subject == intent.Id;

    /// <returns>What was billed so far; null: it has ended.</returns>
    public async Task<(int Rows, decimal Subtotal, decimal Tax)?> SumsAsync(Intent intent, CancellationToken cancellationToken)
    {
        var answer = await client.GetItemAsync(new GetItemRequest { TableName = Table, Key = Key(intent), ConsistentRead = true }, cancellationToken);
        return answer.Item is { Count: > 0 } item && item["id"].S == intent.Id ? ((int)Decimal(item, "rows"), Decimal(item, "subtotal"), Decimal(item, "tax")) : null;
    }

    /// <summary>Takes intents over whose owners have not been heard of for the length of their lease.</summary>
    /// <param name="all">Also those whose owners may still be at work: they find out with their next part.</param>
    public async Task<ImmutableArray<Intent>> TakeOverAsync(bool all, CancellationToken cancellationToken)
    {
        var before = keys.Seconds(all ? Ages : TimeSpan.Zero);
        var taken = ImmutableArray.CreateBuilder<Intent>();
        var query = new QueryRequest
        {
            TableName = Table,
            ConsistentRead = true,
            KeyConditionExpression = "pk = :p",
            FilterExpression = "#u < :now",
            ExpressionAttributeNames = new() { ["#u"] = "until" },
            ExpressionAttributeValues = new() { [":p"] = keys.IntentPartition, [":now"] = before },
        };
        do
        {
            var page = await client.QueryAsync(query, cancellationToken);
            foreach (var item in page.Items ?? [])
            {
                var found = Read(item);
                if (found is not null && await TakeAsync(found, item["owner"], before, cancellationToken))
                {
                    taken.Add(found);
                }
            }

            query.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (query.ExclusiveStartKey is { Count: > 0 });
        return taken.ToImmutable();
    }

    private static StoreException TakenOver(Intent intent) => new(StoreError.Conflict, intent.Id, $"Another goes on with this {intent.What} of {intent.Entity.Entity} {intent.RowText}.");

    private static decimal Decimal(Dictionary<string, AttributeValue> item, string name) => item.TryGetValue(name, out var value) ? decimal.Parse(value.N, NumberStyles.Float, CultureInfo.InvariantCulture) : 0;

    private static AttributeValue Number(decimal value) => new() { N = value.ToString(CultureInfo.InvariantCulture) };

    private Dictionary<string, AttributeValue> Key(Intent intent) => keys.IntentKey(intent.What, intent.Entity, intent.RowText);

    /// <summary>The primary key, and what others refer to.</summary>
    private IEnumerable<int> Columns(EntityModel entity) => entity.PrimaryKey.Concat(Reference.To(model, entity).SelectMany(r => r.ParentColumns)).Distinct();

    private async Task<bool> TakeAsync(Intent intent, AttributeValue owner, AttributeValue before, CancellationToken cancellationToken)
    {
        try
        {
            await client.UpdateItemAsync(
                new UpdateItemRequest
                {
                    TableName = Table,
                    Key = Key(intent),
                    UpdateExpression = "SET #o = :me, #u = :u",
                    ConditionExpression = "#o = :before AND #u < :now",
                    ExpressionAttributeNames = new() { ["#o"] = "owner", ["#u"] = "until" },
                    ExpressionAttributeValues = new() { [":me"] = new AttributeValue(intent.Owner), [":before"] = owner, [":u"] = keys.Seconds(Lease), [":now"] = before },
                },
                cancellationToken);
            return true;
        }
        catch (ConditionalCheckFailedException)
        {
            // Its owner is there again, or another was quicker.
            return false;
        }
    }

    /// <returns>Null: it is of entities that this definition does not have.</returns>
    private Intent? Read(Dictionary<string, AttributeValue> item)
    {
        EntityModel? EntityOf(string name) => item.TryGetValue(name, out var value) ? model.Entities.FirstOrDefault(e => e.Entity == value.S) : null;
        if (EntityOf("entity") is not { } entity)
        {
            return null;
        }

        var row = RowBuffer.AllNull(entity.Row.Length);
        foreach (var (name, value) in item["row"].M)
        {
            row.Set(EntityModel.Find(entity.Row, null, name), value.B.ToArray());
        }

        var intent = new Intent(item["what"].S, item["id"].S, Guid.NewGuid().ToString("N"), entity, row);
        return EntityOf("bill") is { } bill
            ? intent with { Bill = bill, BillItem = item["billItem"].S, Columns = JsonSerializer.Deserialize<BillingColumns>(item["columns"].S)! }
            : intent;
    }
}
