using BillingMigration.Control;

namespace BillingMigration.Reverse;

/// <summary>Reads one shard from where it was left.</summary>
/// <param name="place">As <see cref="ReverseCheckpoint.Shards"/> has it.</param>
/// <param name="since">Records older than this are passed over; the service's clock may be some minutes off.</param>
/// <param name="mayBeTrimmed">Asked where it is read from the oldest record that is kept: the service does not say that there were older ones.</param>
internal sealed class ShardReader(TableStream stream, string shard, string place, DateTimeOffset since, Func<bool> mayBeTrimmed)
{
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    private string? iterator;

    public string Shard { get; } = shard;

    /// <summary>Where it goes on.</summary>
    public string Place { get; private set; } = place;

    /// <summary>True when it is closed, and read to its end.</summary>
    public bool IsDone => Place is ReverseCheckpoint.Done or ReverseCheckpoint.Continued;

    /// <summary>True when that is so, and no shard is listed yet that goes on from it.</summary>
    public bool IsLeaf => Place == ReverseCheckpoint.Done;

    public void GoesOnInOthers() => Place = ReverseCheckpoint.Continued;

    /// <summary>Takes the place behind what is in the shard now, for as long as this reader lives.</summary>
    public async Task BeginAtEndAsync(CancellationToken cancellationToken) => iterator = await stream.FindIteratorAsync(Shard, null, latest: true, cancellationToken);

    /// <summary>The next records.</summary>
    /// <returns>Null: what follows is not kept any more.</returns>
    public async Task<StreamPage?> ReadAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (iterator is null && Place.Length == 0 && mayBeTrimmed())
            {
                return null;
            }

            iterator ??= await stream.FindIteratorAsync(Shard, Place.Length == 0 ? null : Place, latest: false, cancellationToken);
            if (iterator is null)
            {
                return null;
            }

            if (await stream.ReadAsync(iterator, cancellationToken) is { } page)
            {
                iterator = page.Next;
                Place = page.Next is null ? ReverseCheckpoint.Done : page.Records.Count > 0 ? page.Records[^1].SequenceNumber : Place;
                StreamRecord[] left = [.. page.Records.Where(r => r.At >= since - ClockTolerance)];
                return page with { Records = left, Passed = page.Records.Count - left.Length };
            }

            iterator = null;
        }

        return null;
    }
}
