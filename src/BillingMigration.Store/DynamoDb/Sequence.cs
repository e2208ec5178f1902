using System.Globalization;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Generated keys of one entity: taken from the control table in blocks. Keys that were taken and not used are left out for ever. A block is used up under the epoch of the route under which it was
/// asked for: one that was taken while calls were sent to the source may have been given there since.
/// </summary>
internal sealed class Sequence(StoreCalls calls, MigrationDefinition definition, string entity)
{
    private const int BlockSize = 20;

    private readonly FairLock one = new();
    private decimal next;
    private decimal last = -1;
    private long takenUnder;

    /// <param name="epoch">Of the route, before the key is asked for: the row may be written under no other.</param>
    /// <param name="cancellationToken">At most a block is lost.</param>
    public async Task<decimal> NextAsync(long epoch, CancellationToken cancellationToken)
    {
        using var turn = await one.TakeAsync(cancellationToken);
        if (next > last || epoch != takenUnder)
        {
            var request = new UpdateItemRequest
            {
                TableName = definition.Target.ControlTableName,
                Key = Key(definition, entity),
                UpdateExpression = "ADD taken :n",
                ConditionExpression = "attribute_exists(taken)",
                ExpressionAttributeValues = new() { [":n"] = new AttributeValue { N = BlockSize.ToString(CultureInfo.InvariantCulture) } },
                ReturnValues = ReturnValue.UPDATED_NEW,
            };
            var answer = await calls.RunAsync((client, token) => client.UpdateItemAsync(request, token), cancellationToken);
            last = decimal.Parse(answer.Attributes["taken"].N, CultureInfo.InvariantCulture);
            next = last - BlockSize + 1;
            takenUnder = epoch;
        }

        return next++;
    }

    /// <summary>A row was written whose key was given by hand: those that are generated go on above it, here and everywhere.</summary>
    public async Task PassAsync(decimal given, CancellationToken cancellationToken)
    {
        using var turn = await one.TakeAsync(cancellationToken);
        if (given >= next)
        {
            await calls.RunAsync((client, token) => RaiseAsync(client, definition, entity, given, token), cancellationToken);
            next = Math.Max(next, Math.Min(given + 1, last + 1));
        }
    }

    /// <summary>No key up to this one is given any more.</summary>
    /// <returns>False: it was beyond that already.</returns>
    public static async Task<bool> RaiseAsync(IAmazonDynamoDB client, MigrationDefinition definition, string entity, decimal highest, CancellationToken cancellationToken)
    {
        try
        {
            await client.UpdateItemAsync(
                new UpdateItemRequest
                {
                    TableName = definition.Target.ControlTableName,
                    Key = Key(definition, entity),
                    UpdateExpression = "SET taken = :h",
                    ConditionExpression = "attribute_not_exists(taken) OR taken < :h",
                    ExpressionAttributeValues = new() { [":h"] = new AttributeValue { N = highest.ToString(CultureInfo.InvariantCulture) } },
                },
                cancellationToken);
            return true;
        }
        catch (ConditionalCheckFailedException)
        {
            return false;
        }
    }

    /// <returns>The highest key that was taken; null: none ever was.</returns>
    public static async Task<decimal?> FindAsync(IAmazonDynamoDB client, MigrationDefinition definition, string entity, CancellationToken cancellationToken)
    {
        var answer = await client.GetItemAsync(
            new GetItemRequest { TableName = definition.Target.ControlTableName, Key = Key(definition, entity), ConsistentRead = true }, cancellationToken);
        return answer.IsItemSet ? decimal.Parse(answer.Item["taken"].N, CultureInfo.InvariantCulture) : null;
    }

    private static Dictionary<string, AttributeValue> Key(MigrationDefinition definition, string entity) =>
        new() { ["pk"] = new AttributeValue($"{StoreSchema.Partition(definition)}#SEQUENCE#{entity}"), ["sk"] = new AttributeValue("SEQUENCE") };
}
