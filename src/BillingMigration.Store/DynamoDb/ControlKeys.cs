using System.Security.Cryptography;
using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Keys of what the store keeps in the control table. Values of columns stand in them as HMAC-SHA-256 under a secret of the migration: they may be personal, and who sees such a key cannot find the
/// value by trying all phone numbers.
/// </summary>
/// <param name="definition">Of the migration.</param>
/// <param name="secret">32 random bytes, see <see cref="StoreSecret"/>.</param>
internal sealed class ControlKeys(MigrationDefinition definition, byte[] secret)
{
    private readonly string prefix = StoreSchema.Partition(definition);

    public string Table => definition.Target.ControlTableName;

    /// <summary>The version of a partition of the billing table.</summary>
    public Dictionary<string, AttributeValue> Version(string pk) => Key($"VERSION#{Hash(pk)}", "VERSION");

    /// <summary>Says which row has a value of a unique key.</summary>
    public Dictionary<string, AttributeValue> Claim(UniqueValue value) => Key($"UNIQUE#{value.Entity}#{value.Constraint}#{Hash(value.Text)}", "UNIQUE");

    /// <summary>
    /// Partition of all children that refer to a parent from another partition of the billing table. It is named by what they refer to: the parent's
    /// item may move.
    /// </summary>
    /// <param name="parent">Has the columns that are referred to.</param>
    public AttributeValue References(Reference reference, RowBuffer parent)
    {
        var values = JoinedText.Of(reference.ParentColumns.Select(c => ComparedText.Of(reference.Parent.Row[c].Column, parent[c])));
        return Key($"REF#{reference.Name}#{Hash(values)}", "")[EntityModel.PartitionKey];
    }

    public Dictionary<string, AttributeValue> Reference(Reference reference, RowBuffer parent, ItemKey child) => new()
    {
        [EntityModel.PartitionKey] = References(reference, parent), [EntityModel.SortKey] = new AttributeValue(Hash($"{child.Pk}\n{child.Sk}")),
    };

    /// <summary>All intents are in it: those that are open are found by a query.</summary>
    public AttributeValue Intents => Key("INTENT", "")[EntityModel.PartitionKey];

    public Dictionary<string, AttributeValue> Intent(string id) => Key("INTENT", id);

    /// <summary>Partition of what says which partitions of the billing table a large unit holds.</summary>
    public AttributeValue HeldBy(string id) => Key($"HELD#{id}", "")[EntityModel.PartitionKey];

    /// <param name="version">Partition key of the version of what is held.</param>
    public Dictionary<string, AttributeValue> Held(string id, string version) => new()
    {
        [EntityModel.PartitionKey] = HeldBy(id), [EntityModel.SortKey] = new AttributeValue(version),
    };

    /// <summary>What never is there.</summary>
    public Dictionary<string, AttributeValue> Nothing(string name) => Key($"NOTHING#{name}", "NOTHING");

    private Dictionary<string, AttributeValue> Key(string what, string sk) => new() { [EntityModel.PartitionKey] = new AttributeValue($"{prefix}#{what}"), [EntityModel.SortKey] = new AttributeValue(sk) };

    private string Hash(string text) => Convert.ToHexString(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(text)));
}

/// <summary>The secret of <see cref="ControlKeys"/>: made by the first store that opens, and kept in the control table where no view reads.</summary>
internal static class StoreSecret
{
    public static async Task<byte[]> OpenAsync(StoreCalls calls, MigrationDefinition definition, CancellationToken cancellationToken)
    {
        var key = new Dictionary<string, AttributeValue>
        {
            [EntityModel.PartitionKey] = new AttributeValue($"{StoreSchema.Partition(definition)}#SECRET"), [EntityModel.SortKey] = new AttributeValue("SECRET"),
        };
        while (true)
        {
            var found = await calls.RunAsync(
                (client, token) => client.GetItemAsync(new GetItemRequest { TableName = definition.Target.ControlTableName, Key = key, ConsistentRead = true }, token), cancellationToken);
            if (found.Item is { Count: > 0 } item)
            {
                return item["secret"].B.ToArray();
            }

            var made = new Dictionary<string, AttributeValue>(key) { ["kind"] = new("StoreSecret"), ["secret"] = new() { B = new MemoryStream(RandomNumberGenerator.GetBytes(32)) } };
            try
            {
                await calls.RunAsync(
                    (client, token) => client.PutItemAsync(new PutItemRequest { TableName = definition.Target.ControlTableName, Item = made, ConditionExpression = "attribute_not_exists(pk)" }, token),
                    cancellationToken);
            }
            catch (ConditionalCheckFailedException)
            {
                // Another store was quicker, or this one's answer was lost: what is there is read.
            }
        }
    }
}
