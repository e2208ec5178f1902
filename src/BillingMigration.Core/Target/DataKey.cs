using System.Collections.Immutable;
using System.Security.Cryptography;
using Amazon.DynamoDBv2.Model;
using Amazon.KeyManagementService;
using Amazon.KeyManagementService.Model;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Target;

/// <summary>
/// The data keys of a migration's encrypted columns. KMS makes the first when the tables are prepared, and another for each rotation; wrapped by the KMS
/// key they stand in the control table, and KMS
/// unwraps them for whoever may call <c>kms:Decrypt</c> with it. In the clear they are never written anywhere. KMS's own yearly rotation of the KMS key
/// changes nothing here.
/// </summary>
internal sealed class DataKey(TargetConnection target, MigrationDefinition definition, TimeProvider time)
{
    private const string Setting = "DataKey";

    private readonly string table = definition.Target.ControlTableName;

    /// <summary>What the process knows already: a key is unwrapped once.</summary>
    private ImmutableSortedDictionary<byte, WrappedKey> unwrapped = ImmutableSortedDictionary<byte, WrappedKey>.Empty;

    /// <summary>Key of the item in the control table.</summary>
    public Dictionary<string, AttributeValue> Key { get; } =
        new() { ["pk"] = new AttributeValue($"MIGRATION#{definition.Name}"), ["sk"] = new AttributeValue(DataKeyItem.SortKey) };

    /// <summary>What KMS and CloudTrail see of what the key is for; a wrapped key is opened only with the same.</summary>
    private Dictionary<string, string> Context => new() { ["BillingMigration"] = definition.Name, ["Table"] = definition.Target.Table };

    /// <summary>Makes the key if there is none.</summary>
    /// <param name="apply">False: says what would be done.</param>
    /// <exception cref="MigrationException"><c>KmsKeyUnusable</c>, <c>KmsUnreachable</c>, <c>AccessDenied</c>.</exception>
    public async Task<InitializeStep?> SetAsync(bool apply, CancellationToken cancellationToken)
    {
        if (definition.Target.Encryption is not { } encryption)
        {
            return null;
        }

        if (await FindAsync(cancellationToken) is { } found)
        {
            // That the key opens is worth more than that it is there.
            await UnwrapAsync(encryption, found.Current, found.CurrentKey, cancellationToken);
            return Step(InitializeStepStatus.Unchanged, $"wrapped by {found.CurrentKey.KmsKey}");
        }

        if (!apply)
        {
            return Step(InitializeStepStatus.Planned, $"KMS makes a data key with {encryption.KmsKeyId}; wrapped, it is kept in the control table");
        }

        var item = DataKeyItem.Of(await MakeAsync(cancellationToken));
        try
        {
            await target.Client.PutItemAsync(
                new PutItemRequest { TableName = table, Item = item.ToItem(Key), ConditionExpression = "attribute_not_exists(pk)" }, cancellationToken);
            return Step(InitializeStepStatus.Done, $"wrapped by {item.CurrentKey.KmsKey}");
        }
        catch (ConditionalCheckFailedException)
        {
            // Another worker's, or our own after a lost answer.
            return Step(InitializeStepStatus.Unchanged, "made by another worker at the same time");
        }
    }

    /// <returns>Null: the definition encrypts nothing.</returns>
    /// <exception cref="MigrationException"><c>DataKeyMissing</c>, <c>KmsKeyUnusable</c>, <c>KmsUnreachable</c>, <c>AccessDenied</c>.</exception>
    public async Task<AttributeCipher?> OpenAsync(CancellationToken cancellationToken)
    {
        if (definition.Target.Encryption is null)
        {
            return null;
        }

        var began = time.GetTimestamp();
        return new AttributeCipher(new KeyRingKeeper(await ReadRingAsync(null, cancellationToken), ReadRingAsync, time, began));
    }

    /// <summary>The keys as the control table has them.</summary>
    /// <exception cref="MigrationException"><c>DataKeyMissing</c>.</exception>
    public async Task<DataKeyItem> RequireAsync(CancellationToken cancellationToken) => await FindAsync(cancellationToken) ?? throw new MigrationException(
        "DataKeyMissing",
        MigrationErrorKind.WrongState,
        $"The control table '{table}' does not have the data key that the definition's encrypted columns need. "
        + "Run Initialize-BillingTable, which has KMS make one; if there was one, restore the control table: without it what is encrypted cannot be read.",
        table);

    /// <summary>Has KMS make a key; nothing is written.</summary>
    public async Task<WrappedKey> MakeAsync(CancellationToken cancellationToken)
    {
        var encryption = definition.Target.Encryption!;
        using var kms = target.OpenKms(encryption.KmsEndpointUrl);
        var made = await kms.RunAsync(
            encryption.KmsKeyId,
            "Making the data key",
            client => client.GenerateDataKeyWithoutPlaintextAsync(
                new GenerateDataKeyWithoutPlaintextRequest
                {
                    KeyId = encryption.KmsKeyId, NumberOfBytes = AttributeCipher.KeyBytes, EncryptionContext = Context,
                },
                cancellationToken),
            cancellationToken);
        return new WrappedKey(made.KeyId, made.CiphertextBlob.ToArray(), time.GetUtcNow());
    }

    private async Task<KeyRing> ReadRingAsync(KeyRing? known, CancellationToken cancellationToken)
    {
        var item = await RequireAsync(cancellationToken);
        var keys = ImmutableSortedDictionary.CreateBuilder<byte, ValueCipher>();
        foreach (var (number, wrapped) in item.Keys)
        {
            keys[number] = known?.Keys.GetValueOrDefault(number) is { } cipher && unwrapped.TryGetValue(number, out var same) && same.IsSame(wrapped)
                ? cipher : await UnwrapAsync(definition.Target.Encryption!, number, wrapped, cancellationToken);
        }

        unwrapped = item.Keys;
        return known is not null && known.Current == keys[item.Current] && known.Keys.Values.SequenceEqual(keys.Values)
            ? known : new KeyRing(keys.ToImmutable(), item.Current);
    }

    private async Task<DataKeyItem?> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            var answer = await target.Client.GetItemAsync(new GetItemRequest { TableName = table, Key = Key, ConsistentRead = true }, cancellationToken);
            return answer.Item is not { Count: > 0 } item ? null : DataKeyItem.TryRead(item) ?? throw new MigrationException(
                "DataKeyMissing", MigrationErrorKind.WrongState,
                $"The data key in the control table '{table}' is not as it was written. Restore the control table to a point in time before that.", table);
        }
        catch (ResourceNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is not MigrationException && !cancellationToken.IsCancellationRequested)
        {
            throw TargetErrors.From(e, target.Endpoint, "Reading the data key");
        }
    }

    private async Task<ValueCipher> UnwrapAsync(EncryptionDefinition encryption, byte number, WrappedKey key, CancellationToken cancellationToken)
    {
        using var kms = target.OpenKms(encryption.KmsEndpointUrl);
        var answer = await kms.RunAsync(
            key.KmsKey,
            "Unwrapping the data key",
            client => client.DecryptAsync(
                new DecryptRequest { CiphertextBlob = new MemoryStream(key.Wrapped), EncryptionContext = Context, KeyId = key.KmsKey }, cancellationToken),
            cancellationToken);
        using var plain = answer.Plaintext;
        var bytes = plain.ToArray();
        try
        {
            return new ValueCipher(number, bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            if (plain.TryGetBuffer(out var buffer))
            {
                CryptographicOperations.ZeroMemory(buffer);
            }
        }
    }

    private InitializeStep Step(InitializeStepStatus status, string detail) => new(table, Setting, status, detail);
}
