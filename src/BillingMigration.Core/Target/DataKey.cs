using System.Globalization;
using System.Security.Cryptography;
using Amazon.DynamoDBv2.Model;
using Amazon.KeyManagementService;
using Amazon.KeyManagementService.Model;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Target;

/// <summary>
/// The data key of a migration's encrypted columns. KMS makes it once, when the tables are prepared; wrapped by the KMS key it stands in the control table, and KMS unwraps it for
/// whoever may call <c>kms:Decrypt</c> with it. In the clear it is never written anywhere. KMS's own yearly rotation of the KMS key changes nothing here.
/// </summary>
internal sealed class DataKey(TargetConnection target, MigrationDefinition definition, TimeProvider time)
{
    private const string Setting = "DataKey";
    private const string SortKey = "DATA_KEY";
    private const string Wrapped = "wrapped";
    private const string KmsKey = "kmsKey";

    private readonly string table = definition.Target.ControlTableName;

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
            using (await UnwrapAsync(encryption, found, cancellationToken))
            {
                return Step(InitializeStepStatus.Unchanged, $"wrapped by {found[KmsKey].S}");
            }
        }

        if (!apply)
        {
            return Step(InitializeStepStatus.Planned, $"KMS makes a data key with {encryption.KmsKeyId}; wrapped, it is kept in the control table");
        }

        var item = await MakeAsync(encryption, cancellationToken);
        try
        {
            await target.Client.PutItemAsync(new PutItemRequest { TableName = table, Item = item, ConditionExpression = "attribute_not_exists(pk)" }, cancellationToken);
            return Step(InitializeStepStatus.Done, $"wrapped by {item[KmsKey].S}");
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
        if (definition.Target.Encryption is not { } encryption)
        {
            return null;
        }

        var found = await FindAsync(cancellationToken) ?? throw new MigrationException(
            "DataKeyMissing",
            MigrationErrorKind.WrongState,
            $"The control table '{table}' does not have the data key that the definition's encrypted columns need. Run Initialize-BillingTable, which has KMS make one; if there was one, restore the control table: without it what is encrypted cannot be read.",
            table);
        using var key = await UnwrapAsync(encryption, found, cancellationToken);
        return key.Cipher();
    }

    private async Task<Dictionary<string, AttributeValue>?> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            var answer = await target.Client.GetItemAsync(new GetItemRequest { TableName = table, Key = Key(), ConsistentRead = true }, cancellationToken);
            return answer.Item is { Count: > 0 } item ? item : null;
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

    private async Task<Dictionary<string, AttributeValue>> MakeAsync(EncryptionDefinition encryption, CancellationToken cancellationToken)
    {
        using var kms = target.OpenKms(encryption.KmsEndpointUrl);
        var made = await kms.RunAsync(
            encryption.KmsKeyId,
            "Making the data key",
            client => client.GenerateDataKeyWithoutPlaintextAsync(
                new GenerateDataKeyWithoutPlaintextRequest { KeyId = encryption.KmsKeyId, NumberOfBytes = AttributeCipher.KeyBytes, EncryptionContext = Context }, cancellationToken),
            cancellationToken);
        return new Dictionary<string, AttributeValue>(Key())
        {
            ["kind"] = new("DataKey"),
            ["format"] = new() { N = "1" },
            [KmsKey] = new(made.KeyId),
            [Wrapped] = new() { B = made.CiphertextBlob },
            ["createdAt"] = new(time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
        };
    }

    private async Task<PlainKey> UnwrapAsync(EncryptionDefinition encryption, Dictionary<string, AttributeValue> item, CancellationToken cancellationToken)
    {
        if (!item.TryGetValue(Wrapped, out var wrapped) || wrapped.B is null || !item.TryGetValue(KmsKey, out var kmsKey))
        {
            throw new MigrationException(
                "DataKeyMissing", MigrationErrorKind.WrongState, $"The data key in the control table '{table}' is not as it was written. Restore the control table to a point in time before that.", table);
        }

        using var kms = target.OpenKms(encryption.KmsEndpointUrl);
        var answer = await kms.RunAsync(
            kmsKey.S,
            "Unwrapping the data key",
            client => client.DecryptAsync(
                new DecryptRequest { CiphertextBlob = new MemoryStream(wrapped.B.ToArray()), EncryptionContext = Context, KeyId = kmsKey.S }, cancellationToken),
            cancellationToken);
        return new PlainKey(answer.Plaintext);
    }

    private InitializeStep Step(InitializeStepStatus status, string detail) => new(table, Setting, status, detail);

    private Dictionary<string, AttributeValue> Key() => new() { ["pk"] = new AttributeValue($"MIGRATION#{definition.Name}"), ["sk"] = new AttributeValue(SortKey) };

    /// <summary>The key in the clear, for as long as a cipher is made of it.</summary>
    private sealed class PlainKey(MemoryStream answer) : IDisposable
    {
        private readonly byte[] key = answer.ToArray();

        public AttributeCipher Cipher() => new(key);

        public void Dispose()
        {
            CryptographicOperations.ZeroMemory(key);
            if (answer.TryGetBuffer(out var buffer))
            {
                CryptographicOperations.ZeroMemory(buffer);
            }

            answer.Dispose();
        }
    }
}
