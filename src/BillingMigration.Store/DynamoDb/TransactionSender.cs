using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Sends a transaction until DynamoDB has taken or refused it.</summary>
/// <param name="gate">Passed before each attempt; null: it may always be sent.</param>
internal sealed class TransactionSender(MigrationDefinition definition, IAmazonDynamoDB client, TimeProvider time, IWriteGate? gate = null)
{
    private const int MostAttempts = 30;

    /// <exception cref="StoreException">The refusal of the part whose condition does not hold.</exception>
    /// <exception cref="NotRoutedException">The gate is closed, and nothing is written.</exception>
    /// <exception cref="MigrationException"><c>TargetRefused</c>; <c>WriteOutcomeUnknown</c>: no answer came, again and again.</exception>
    public async Task SendAsync(TransactionParts parts, CancellationToken cancellationToken)
    {
        var request = parts.Request;
        var started = time.GetTimestamp();
        Exception? unanswered = null;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                request.ClientRequestToken ??= Guid.NewGuid().ToString("N");
                await AttemptAsync(request, parts.Epoch, cancellationToken);
                return;
            }
            catch (NotRoutedException) when (unanswered is not null)
            {
                throw StoreErrors.OutcomeUnknown(definition.Target.Table, unanswered);
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

                // This one was not done, for certain.
                (request.ClientRequestToken, unanswered) = (null, null);
            }
            catch (TransactionInProgressException e) when (attempt < MostAttempts)
            {
                // The same token is at work.
                unanswered = e;
            }
            catch (Exception e) when ((TargetErrors.IsTransient(e) || e is OperationCanceledException) && !cancellationToken.IsCancellationRequested)
            {
                // DynamoDB knows a request by its token for ten minutes: sent again within them, it is done once.
                unanswered = e;
                if (time.GetElapsedTime(started) > StoreTimes.Patience)
                {
                    throw StoreErrors.OutcomeUnknown(definition.Target.Table, e);
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20 * attempt)), time, cancellationToken);
        }
    }

    private async Task AttemptAsync(TransactWriteItemsRequest request, long? epoch, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(gate?.AttemptTime ?? Timeout.InfiniteTimeSpan, time);
        using var attempt = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var (began, at) = (time.GetTimestamp(), time.GetUtcNow());
        using var sending = gate?.Begin(epoch);
        sending?.Pass();
        try
        {
            await client.TransactWriteItemsAsync(request, attempt.Token);
            sending?.Answered();
        }
        catch (TransactionCanceledException)
        {
            sending?.Answered();
            throw;
        }

        if (gate is not null && (time.GetElapsedTime(began) > gate.AttemptTime || time.GetUtcNow() - at > gate.AttemptTime))
        {
            // A process that stood still between gate and request: calls may go to the other side since, and what has landed here now counts no more.
            throw new TimeoutException("The answer came after the attempt's time.");
        }
    }
}
