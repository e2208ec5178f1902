using Amazon.KeyManagementService;
using Amazon.Runtime;

namespace BillingMigration.Target;

/// <summary>The way to KMS, for a call or two.</summary>
internal sealed class KmsConnection(IAmazonKeyManagementService client, Uri endpoint, IDisposable http) : IDisposable
{
    /// <summary>Makes a call that uses a KMS key.</summary>
    /// <exception cref="MigrationException"><c>KmsKeyUnusable</c>, <c>KmsUnreachable</c>, and the errors of credentials and permissions.</exception>
    public async Task<T> RunAsync<T>(string key, string doing, Func<IAmazonKeyManagementService, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(client).WaitAsync(cancellationToken);
        }
        catch (Exception e) when (e is not MigrationException && !cancellationToken.IsCancellationRequested)
        {
            throw Named(e, key, doing);
        }
    }

    public void Dispose()
    {
        client.Dispose();
        http.Dispose();
    }

    // https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors
    private MigrationException Named(Exception exception, string key, string doing) => exception switch
    {
        AmazonServiceException
        {
            ErrorCode: "NotFoundException" or "DisabledException" or "KMSInvalidStateException" or "KeyUnavailableException" or "InvalidKeyUsageException" or "IncorrectKeyException"
                or "InvalidCiphertextException" or "InvalidArnException"
        } e => new MigrationException(
            "KmsKeyUnusable",
            MigrationErrorKind.WrongState,
            $"{doing}: KMS at {endpoint} cannot use the key {key} ({e.ErrorCode}: {e.Message.TrimEnd('.')}). It must be a symmetric key that is enabled and not waiting for its deletion, and, once there is a data key, the one that wrapped it: 'aws kms describe-key --key-id {key}' shows its state.",
            key,
            e),
        OperationCanceledException => Unreachable(exception),
        _ => TargetErrors.IsTransient(exception) && exception is not AmazonServiceException { StatusCode: not 0 } ? Unreachable(exception) : TargetErrors.From(exception, endpoint, doing),
    };

    private MigrationException Unreachable(Exception exception) => new(
        "KmsUnreachable",
        MigrationErrorKind.Unreachable,
        $"KMS cannot be reached at {endpoint}: {ErrorText.Reason(exception)} Check the Region, target.encryption.kmsEndpointUrl, DNS and the firewall; from a network without a way out KMS needs a VPC endpoint of its own.",
        endpoint,
        exception);
}
