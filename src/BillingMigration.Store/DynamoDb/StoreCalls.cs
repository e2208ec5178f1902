using System.Net;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using Amazon.Runtime;
using BillingMigration.Target;
using BillingMigration.Transfer;
using RetryPolicy = BillingMigration.Transfer.RetryPolicy;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Calls to DynamoDB with the one patience that the whole store has: trouble that passes is waited out for <see cref="StoreTimes.Patience"/>, with waits that grow and differ from client to client.
/// </summary>
internal sealed class StoreCalls(IAmazonDynamoDB client, StoreTimes times, TimeProvider time)
{
    private static readonly TimeSpan AttemptTime = new RetryPolicy().AttemptTimeout;

    private readonly RetryPolicy policy = new() { BaseDelay = TimeSpan.FromMilliseconds(20), MaxDelay = TimeSpan.FromSeconds(1), Random = times.Random };

    public TimeProvider Time => time;

    /// <summary>A name that nobody else has.</summary>
    public string NewId() => times.NewGuid().ToString("N");

    /// <summary>For what may be made twice.</summary>
    public async Task<T> RunAsync<T>(Func<IAmazonDynamoDB, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        for (var failures = 1; ; failures++)
        {
            try
            {
                return await AttemptAsync(call, AttemptTime, cancellationToken);
            }
            catch (Exception e) when (TargetErrors.IsTransient(e) && !cancellationToken.IsCancellationRequested && time.GetElapsedTime(began) < StoreTimes.Patience)
            {
                await PauseAsync(failures, cancellationToken);
            }
        }
    }

    /// <summary>Items as they are at one moment; where a transaction is at work on one of them, its end is waited for.</summary>
    /// <returns>In the order of the keys; null: it is not there.</returns>
    public async Task<Dictionary<string, AttributeValue>?[]> ReadAtOnceAsync(
        (string Table, Dictionary<string, AttributeValue> Key)[] wanted, CancellationToken cancellationToken)
    {
        var request = new TransactGetItemsRequest { TransactItems = [.. wanted.Select(w => new TransactGetItem { Get = new Get { TableName = w.Table, Key = w.Key } })] };
        var began = time.GetTimestamp();
        for (var failures = 1; ; failures++)
        {
            try
            {
                var answer = await RunAsync((client, token) => client.TransactGetItemsAsync(request, token), cancellationToken);
                return [.. answer.Responses.Select(r => r.Item is { Count: > 0 } item ? item : null)];
            }
            catch (TransactionCanceledException e) when (!TooLarge.InAll(e) && time.GetElapsedTime(began) < StoreTimes.Patience)
            {
                await PauseAsync(failures, cancellationToken);
            }
        }
    }

    /// <summary>One attempt.</summary>
    /// <exception cref="TimeoutException">It has had no answer for that long. The request may still arrive.</exception>
    public async Task<T> AttemptAsync<T>(Func<IAmazonDynamoDB, CancellationToken, Task<T>> call, TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(atMost, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await call(client, both.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"No answer within {atMost.TotalSeconds:0.#} s.", e);
        }
    }

    /// <param name="failures">In a row, from 1.</param>
    public Task PauseAsync(int failures, CancellationToken cancellationToken) => Task.Delay(policy.Delay(failures, policy.Random()), time, cancellationToken);

    /// <summary>True for refusals of a request as a whole, before anything of it was done.</summary>
    public static bool IsThrottling(Exception exception) => exception is AmazonServiceException { StatusCode: HttpStatusCode.BadRequest } e && FailureCodes.IsThrottling(e.ErrorCode);
}
