using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Target;

/// <summary>Writes batches of items into the billing table, through throttle and retry.</summary>
public interface IBatchWriter
{
    /// <summary>
    /// Returns when every item of the batch is either accepted by the table or rejected for good. Throttling, unprocessed items and
    /// network trouble are waited out within the limits of the retry policy.
    /// </summary>
    /// <param name="onHeldBack">Called whenever the table throttles a part of the batch: from then on it waits, and the link is free for others.</param>
    /// <exception cref="MigrationException">The table or the way to it failed for good; what was accepted is not known.</exception>
    ValueTask<BatchWriteResult> WriteAsync(ItemBatch batch, CancellationToken cancellationToken, Action? onHeldBack = null);
}

/// <param name="ConsumedWriteUnits">Write capacity units that DynamoDB reported, indexes included.</param>
/// <param name="Requests">HTTP requests made.</param>
/// <param name="ThrottledRequests">Requests that came back throttled, or with unprocessed items.</param>
/// <param name="Rejected">Items that the table refuses whatever is done: too large, a key over its limit, an invalid number.</param>
public readonly record struct BatchWriteResult(double ConsumedWriteUnits, int Requests, int ThrottledRequests, ImmutableArray<RejectedItem> Rejected);

/// <param name="Index">Index of the item in its batch.</param>
/// <param name="Message">DynamoDB's own words.</param>
public sealed record RejectedItem(int Index, string Message);
