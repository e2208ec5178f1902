using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>Acquires leases. Clocks of two machines are never compared: a contender watches the holder's version on its own clock.</summary>
internal sealed class LeaseContest(ControlCalls calls, LeasePlace place, string migration, LeaseOptions options, LeaseHolder self, TimeProvider time)
{
    public async Task<Lease> AcquireAsync(string job, CancellationToken cancellationToken)
    {
        var token = Guid.NewGuid().ToString("N");
        while (true)
        {
            var now = await ReadAsync(job, cancellationToken);
            if (now?.Holder is { } holder && now.Token != token && !holder.IsKnownDead(self))
            {
                now = await WatchAsync(now, cancellationToken);
            }

            if (now is not null && now.Token == token)
            {
                // An earlier answer to our own request got lost, at an unknown time: the epoch is ours, the time is not.
                token = Guid.NewGuid().ToString("N");
            }

            if (await TryTakeAsync(job, now, token, cancellationToken) is { } lease)
            {
                return lease;
            }
        }
    }

    /// <summary>Returns the item when it stood still for its whole duration or was given back meanwhile.</summary>
    private async Task<LeaseItem?> WatchAsync(LeaseItem seen, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        while (true)
        {
            var left = seen.Duration - time.GetElapsedTime(since);
            if (left <= TimeSpan.Zero)
            {
                return seen;
            }

            await Task.Delay(left < options.WatchEvery ? left : options.WatchEvery, time, cancellationToken);
            var now = await ReadAsync(seen.Job, cancellationToken);
            if (now?.Holder is null)
            {
                return now;
            }

            if (now.Version != seen.Version)
            {
                throw new MigrationException(
                    "LeaseHeld",
                    MigrationErrorKind.Busy,
                    $"The job '{now.Job}' of migration '{migration}' is being done by {now.Holder}, since {now.AcquiredAt:u}; it renewed its lease just now. "
                    + "Wait until it ends, or stop it; then run the same command again.",
                    now.Holder.ToString());
            }
        }
    }

    private async Task<Lease?> TryTakeAsync(string job, LeaseItem? from, string token, CancellationToken cancellationToken)
    {
        var item = new LeaseItem(job, (from?.Epoch ?? 0) + 1, Guid.NewGuid().ToString("N"), token, options.Duration, time.GetUtcNow(), self);
        var request = new PutItemRequest { TableName = place.Table, Item = item.ToItem(place.PartitionKey) };
        if (from is null)
        {
            request.ConditionExpression = "attribute_not_exists(pk)";
        }
        else
        {
            request.ConditionExpression = "epoch = :e AND version = :v";
            request.ExpressionAttributeValues = new Dictionary<string, AttributeValue>
            {
                [":e"] = ControlItemBuilder.Number(from.Epoch),
                [":v"] = new(from.Version),
            };
        }

        var began = 0L;
        try
        {
            await calls.RunAsync(
                $"Taking the lease of job '{job}'",
                ct =>
                {
                    // The first attempt may be the one that arrived, so the time runs from there.
                    began = began == 0 ? time.GetTimestamp() : began;
                    return place.Client.PutItemAsync(request, ct);
                },
                cancellationToken);
            return time.GetElapsedTime(began) < options.Duration - options.Margin
                ? new Lease(place, job, item.Epoch, token, options, time, began)
                : null;
        }
        catch (ConditionalCheckFailedException)
        {
            return null;
        }
    }

    private async Task<LeaseItem?> ReadAsync(string job, CancellationToken cancellationToken)
    {
        var answer = await calls.RunAsync(
            $"Reading the lease of job '{job}'",
            ct => place.Client.GetItemAsync(new GetItemRequest { TableName = place.Table, Key = place.Key(job), ConsistentRead = true }, ct),
            cancellationToken);
        return answer.IsItemSet ? LeaseItem.FromItem(answer.Item) : null;
    }
}
