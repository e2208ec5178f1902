using System.Collections.Immutable;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Integrity;

/// <summary>What becomes of the items of one reader. Not called by two threads at a time.</summary>
internal interface IItemVisitor
{
    bool IsFull { get; }

    /// <param name="entity">Number of its entity, or -1.</param>
    /// <param name="item">The canonical item as the only one of the batch.</param>
    void Visit(int entity, ItemBatch item);

    ValueTask FlushAsync(CancellationToken cancellationToken);

    /// <summary>A segment has been shown in whole.</summary>
    void EndPart(int segment);
}

/// <summary>Reads the billing table, a few segments at a time, brings every item to its canonical form, and shows it to a visitor.</summary>
internal sealed class TargetSide : IDisposable
{
    // DynamoDB Local reads a segment again for every page of it: many small segments keep it fast. Smaller ones than these would not fill their pages, and cost a third of the time on a table with a latency.
    private const int LeastSegments = 64;
    private const int MostSegments = 16_384;
    private const int RowsPerSegment = 5_000;
    private const int Readers = 8;

    private readonly ImmutableArray<EntityModel> models;
    private readonly TimeProvider time;
    private readonly ItemReader reader;
    private readonly TokenBucket? units;
    private readonly object charging = new();
    private double charged;
    private int waiting;

    public TargetSide(MigrationSession session, ImmutableArray<EntityModel> models, double? readUnitsPerSecond)
    {
        this.models = models;
        time = session.Time;
        reader = new ItemReader(session.Target, session.Definition.Target.Table, Metrics, session.Retry, session.Time, new TransferWindow(Readers, session.Retry.AttemptTimeout, session.Time));
        units = readUnitsPerSecond is { } limit ? new TokenBucket(limit, session.Time) : null;
    }

    public TransferMetrics Metrics { get; } = new();

    public string? Waiting => Volatile.Read(ref waiting) > 0 ? "limit of read units per second" : null;

    /// <summary>Parts that a table of so many items is read in.</summary>
    public static int SegmentsFor(long items) => (int)Math.Clamp(items / RowsPerSegment, LeastSegments, MostSegments);

    /// <summary>Shows every item of the segments to the visitor of its reader.</summary>
    /// <param name="stopReading">No segment is begun after it.</param>
    public async Task ScanAsync(
        IEnumerable<int> segments, int of, Func<IItemVisitor> visitor, CancellationToken stopReading, CancellationToken abort)
    {
        using var left = segments.GetEnumerator();
        int Next()
        {
            lock (left)
            {
                return !stopReading.IsCancellationRequested && left.MoveNext() ? left.Current : -1;
            }
        }

        await Parallel.ForAsync(0, Readers, new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = abort }, async (_, token) =>
        {
            var canonical = new ItemCanonicalizer(models);
            using var batch = new ItemBatch();
            var own = visitor();
            for (var segment = Next(); segment >= 0; segment = Next())
            {
                await ScanSegmentAsync(segment, of, canonical, batch, own, token);
                own.EndPart(segment);
            }
        });
    }

    /// <summary>The items of some keys as the table has them now, in canonical form.</summary>
    /// <param name="keys">JSON objects with <c>pk</c> and <c>sk</c> in them.</param>
    /// <param name="found">Receives the number of its entity, or -1, and the batch whose only item it is.</param>
    public async Task GetAsync(IReadOnlyList<ReadOnlyMemory<byte>> keys, Action<int, ItemBatch> found, CancellationToken cancellationToken)
    {
        var canonical = new ItemCanonicalizer(models);
        using var batch = new ItemBatch();
        await Task.WhenAll(keys.Chunk(ItemReader.MostKeys).Select(async part =>
        {
            await WaitAsync(cancellationToken);
            var items = await reader.GetAsync(part, cancellationToken);
            lock (batch)
            {
                foreach (var item in items)
                {
                    batch.Clear();
                    found(Canonical(canonical, item.Span, batch), batch);
                }
            }
        }));
    }

    public void Dispose() => reader.Dispose();

    private async ValueTask ScanSegmentAsync(
        int segment, int of, ItemCanonicalizer canonical, ItemBatch batch, IItemVisitor visitor, CancellationToken cancellationToken)
    {
        await foreach (var page in reader.ScanPagesAsync(segment, of, cancellationToken))
        {
            using (page)
            {
                foreach (var item in page.Items)
                {
                    batch.Clear();
                    visitor.Visit(Canonical(canonical, item.Span, batch), batch);
                    if (visitor.IsFull)
                    {
                        await visitor.FlushAsync(cancellationToken);
                    }
                }
            }

            await WaitAsync(cancellationToken);
        }

        await visitor.FlushAsync(cancellationToken);
    }

    private static int Canonical(ItemCanonicalizer canonical, ReadOnlySpan<byte> item, ItemBatch batch)
    {
        try
        {
            return canonical.Append(item, batch);
        }
        catch (JsonException e)
        {
            throw new MigrationException(
                "TargetAnswerUnreadable", MigrationErrorKind.Unexpected,
                "The table returned an item that is no DynamoDB JSON. Check that the endpoint is DynamoDB and that nothing on the way changes its answers.", null, e);
        }
    }

    /// <summary>Holds the readers to the limit: what was consumed since the last time is charged.</summary>
    private async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        if (units is null)
        {
            return;
        }

        lock (charging)
        {
            var now = Metrics.ConsumedUnits;
            units.Charge(now - charged);
            charged = now;
        }

        while (!units.TryTake(0, out var wait))
        {
            Interlocked.Increment(ref waiting);
            try
            {
                await Task.Delay(wait, time, cancellationToken);
            }
            finally
            {
                Interlocked.Decrement(ref waiting);
            }
        }
    }
}
