using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Sends a transaction until DynamoDB has taken or refused it.</summary>
internal sealed class TransactionSender(MigrationDefinition definition, IAmazonDynamoDB client, TimeProvider time)
{
    private const int MostAttempts = 30;

    /// <exception cref="StoreException">The refusal of the part whose condition does not hold.</exception>
    /// <exception cref="MigrationException"><c>TargetRefused</c>.</exception>
    public async Task SendAsync(TransactionParts parts, CancellationToken cancellationToken)
    {
        var request = parts.Request;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await client.TransactWriteItemsAsync(request, cancellationToken);
                return;
            }
            catch (TransactionCanceledException e)
            {
                var failed = e.CancellationReasons.FindIndex(r => r.Code == "ConditionalCheckFailed");
                if (failed >= 0)
                {
                    throw parts.RefusalOf(failed);
                }

                if (attempt == MostAttempts || e.CancellationReasons.Exists(r => r.Code is not ("None" or "TransactionConflict" or "ThrottlingError" or "ProvisionedThroughputExceeded")))
                {
                    var reason = e.CancellationReasons.First(r => r.Code != "None");
                    throw new MigrationException("TargetRefused", MigrationErrorKind.Unexpected, $"DynamoDB cancelled a transaction: {reason.Code}: {reason.Message}", definition.Target.Table, e);
                }
            }
            catch (TransactionInProgressException) when (attempt < MostAttempts)
            {
                // The same token is at work.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20 * attempt)), time, cancellationToken);
        }
    }
}
