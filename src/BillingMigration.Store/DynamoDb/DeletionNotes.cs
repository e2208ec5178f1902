using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Notes in the control table that a row goes: whoever would insert a child of it finds the note, and is refused.</summary>
internal sealed class DeletionNotes(MigrationDefinition definition, IAmazonDynamoDB client, TimeProvider time)
{
    private const string OpenOrOwn = "attribute_not_exists(pk) OR #u < :now OR intent = :intent";

    private readonly TransactionParts keys = new(definition, time);

    /// <param name="intent">Large unit that it belongs to, whose own note stays; null: that of one transaction.</param>
    /// <param name="lasts">A note that is left lying ends by itself.</param>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/>: another deletes the row, or makes a bill of it.</exception>
    public async Task PutAsync(EntityModel entity, string row, string? intent, TimeSpan lasts, CancellationToken cancellationToken)
    {
        try
        {
            await client.PutItemAsync(
                new PutItemRequest
                {
                    TableName = definition.Target.ControlTableName,
                    Item = Note(entity, row, intent, lasts),
                    ConditionExpression = OpenOrOwn,
                    ExpressionAttributeNames = Names(),
                    ExpressionAttributeValues = Values(intent),
                },
                cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            throw StoreErrors.Busy(entity, row);
        }

        if (entity.Entity == BillingEntity.Account && await HasBillRunAsync(entity, row, cancellationToken))
        {
            await TakeBackAsync(entity, row);
            throw StoreErrors.Busy(entity, row);
        }
    }

    /// <summary>The note as a part of a transaction.</summary>
    public void Put(TransactionParts parts, EntityModel entity, string row, string intent, TimeSpan lasts) => parts.Add(
        new TransactWriteItem
        {
            Put = new Put
            {
                TableName = definition.Target.ControlTableName,
                Item = Note(entity, row, intent, lasts),
                ConditionExpression = OpenOrOwn,
                ExpressionAttributeNames = Names(),
                ExpressionAttributeValues = Values(intent),
            },
        },
        keys.DeletionKey(entity, row), StoreErrors.Busy(entity, row));

    /// <summary>No bill run of the row is under way, as a part of a transaction.</summary>
    public void RequireNoBillRun(TransactionParts parts, EntityModel entity, string row)
    {
        var key = keys.IntentKey(Intent.BillRun, entity, row);
        parts.Add(
            new TransactWriteItem { ConditionCheck = new ConditionCheck { TableName = definition.Target.ControlTableName, Key = key, ConditionExpression = "attribute_not_exists(pk)" } },
            key, StoreErrors.Busy(entity, row));
    }

    /// <summary>Never fails: a note that cannot be taken back expires.</summary>
    public async Task TakeBackAsync(EntityModel entity, string row)
    {
        try
        {
            await client.DeleteItemAsync(definition.Target.ControlTableName, keys.DeletionKey(entity, row), CancellationToken.None);
        }
        catch (Exception e) when (e is AmazonDynamoDBException or Amazon.Runtime.AmazonClientException)
        {
            // It expires.
        }
    }

    private static Dictionary<string, string> Names() => new() { ["#u"] = "until" };

    private Dictionary<string, AttributeValue> Values(string? intent) => new() { [":now"] = keys.Seconds(TimeSpan.Zero), [":intent"] = new AttributeValue(intent ?? "-") };

    private Dictionary<string, AttributeValue> Note(EntityModel entity, string row, string? intent, TimeSpan lasts)
    {
        var note = keys.DeletionKey(entity, row);
        note["kind"] = new AttributeValue("Deletion");
        note["until"] = keys.Seconds(lasts);
        if (intent is not null)
        {
            note["intent"] = new AttributeValue(intent);
        }

        return note;
    }

    /// <summary>A bill run requires that no note is there when it begins: one of the two sees the other.</summary>
    private async Task<bool> HasBillRunAsync(EntityModel entity, string row, CancellationToken cancellationToken) =>
        (await client.GetItemAsync(
            new GetItemRequest { TableName = definition.Target.ControlTableName, ConsistentRead = true, Key = keys.IntentKey(Intent.BillRun, entity, row), ProjectionExpression = "pk" }, cancellationToken)).Item is { Count: > 0 };
}
