using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What comes before a unit is sent: when the way to DynamoDB breaks there, nothing is done, and the call may be made again, here or on the other side.</summary>
internal static class Unsent
{
    /// <param name="gate">Null: nobody would make the call again, and the trouble is told as it is.</param>
    /// <param name="job">What is read, or sent and answered for certain.</param>
    /// <exception cref="NotRoutedException">The way broke.</exception>
    public static async Task<T> RunAsync<T>(IWriteGate? gate, Func<Task<T>> job)
    {
        try
        {
            return await job();
        }
        catch (Exception e) when (gate is not null && IsTrouble(e) && e is not MigrationException { ErrorId: StoreErrors.OutcomeUnknownId })
        {
            throw new NotRoutedException(e);
        }
    }

    /// <summary>True for what passes without anybody's doing, or when credentials or permissions are put right: it says nothing of the unit itself.</summary>
    public static bool Passes(Exception exception) => IsTrouble(exception)
        || exception is StoreException { HasWaited: true } or PartitionHeldException
        || exception is Amazon.Runtime.AmazonServiceException { ErrorCode: not "ValidationException" } or Amazon.Runtime.AmazonClientException
        || exception is MigrationException
        {
            Kind: MigrationErrorKind.LimitExceeded or MigrationErrorKind.AuthenticationFailed or MigrationErrorKind.PermissionDenied or MigrationErrorKind.Busy,
        }
        || exception is MigrationException { ErrorId: StoreErrors.OutcomeUnknownId };

    /// <summary>True for trouble with the way to DynamoDB, also where its patience is at its end.</summary>
    public static bool IsTrouble(Exception exception) => TargetErrors.IsTransient(exception) || exception is MigrationException { Kind: MigrationErrorKind.Unreachable };
}
