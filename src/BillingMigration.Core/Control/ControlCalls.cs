using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using Amazon.Runtime;
using BillingMigration.Target;
using BillingMigration.Transfer;
using Polly;
using Polly.Retry;
using RetryPolicy = BillingMigration.Transfer.RetryPolicy;

namespace BillingMigration.Control;

/// <summary>Calls to the control table: the SDK's retries, and beyond them patience with the network as the transfer has it.</summary>
internal sealed class ControlCalls
{
    private static readonly ResiliencePropertyKey<long> Begun = new("begun");

    private readonly string table;
    private readonly Uri endpoint;
    private readonly TimeProvider time;
    private readonly ResiliencePipeline patient;

    public ControlCalls(IAmazonDynamoDB client, string table, RetryPolicy policy, TimeProvider time)
    {
        this.table = table;
        this.time = time;
        endpoint = EndpointOf(client);
        patient = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = int.MaxValue,
                ShouldHandle = arguments => ValueTask.FromResult(
                    arguments.Outcome.Exception is { } e && CanPass(e) && !arguments.Context.CancellationToken.IsCancellationRequested
                    && time.GetElapsedTime(arguments.Context.Properties.GetValue(Begun, 0)) < policy.GiveUpAfter),
                DelayGenerator = arguments => ValueTask.FromResult<TimeSpan?>(policy.Delay(arguments.AttemptNumber + 1, Random.Shared.NextDouble())),
            })
            .Build();
    }

    /// <summary>Makes a call, again and again through trouble that passes.</summary>
    public async Task<T> RunAsync<T>(string doing, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        context.Properties.Set(Begun, time.GetTimestamp());
        try
        {
            return await patient.ExecuteAsync(static async (c, made) => await OnceAsync(made, c.CancellationToken), context, call);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is not (MigrationException or ConditionalCheckFailedException or TransactionCanceledException))
        {
            throw ToError(e, doing);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>
    /// Makes a call once. The SDK does not always end at once when cancelled (credentials, DNS): then the caller goes on and the call ends by itself.
    /// </summary>
    public static Task<T> OnceAsync<T>(Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken) =>
        call(cancellationToken).WaitAsync(cancellationToken);

    public MigrationException ToError(Exception exception, string doing)
    {
        var error = exception is ResourceNotFoundException
            ? new MigrationException(
                "ControlTableNotFound",
                MigrationErrorKind.NotFound,
                $"The control table '{table}' does not exist at {endpoint}. Run Initialize-BillingTable first.",
                table,
                exception)
            : exception is OperationCanceledException ? TargetErrors.Unreachable(endpoint, exception) : TargetErrors.From(exception, endpoint, doing);
        return error.ErrorId is "TargetUnreachable" or "TargetUnavailable"
            ? new MigrationException("NetworkLost", MigrationErrorKind.Unreachable, $"{doing} failed. {error.Message} {TargetErrors.CheckpointKept}", endpoint, exception)
            : error;
    }

    private static bool CanPass(Exception exception) => exception switch
    {
        TransactionCanceledException e => e.CancellationReasons is { } reasons
            && !reasons.Any(r => r.Code == "ConditionalCheckFailed")
            && reasons.Any(r => r.Code is "TransactionConflict" || FailureCodes.IsThrottling(r.Code)),

        // Not the caller's cancellation (looked at before): the HTTP client's time limit.
        OperationCanceledException => true,
        _ => TargetErrors.IsTransient(exception),
    };

    private static Uri EndpointOf(IAmazonDynamoDB client) => client is AmazonDynamoDBClient own
        ? new Uri(own.DetermineServiceOperationEndpoint(new DescribeTableRequest { TableName = "any" }).URL)
        : new Uri("https://dynamodb.amazonaws.com");
}
