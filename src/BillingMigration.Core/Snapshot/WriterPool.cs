using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Snapshot;

/// <summary>
/// A bounded number of batches under way to the table. When the table is slow, readers wait. A batch that the table throttles waits by itself: another writer takes the place of its own, and
/// only the reader of its range is held up.
/// </summary>
internal sealed class WriterPool
{
    private readonly Channel<Job> jobs;
    private readonly ConcurrentBag<ItemBatch> idle = [];
    private readonly IBatchWriter writer;
    private readonly CancellationToken cancellationToken;
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int running;
    private long items;
    private long bytes;

    public WriterPool(IBatchWriter writer, int writers, CancellationToken cancellationToken)
    {
        this.writer = writer;
        this.cancellationToken = cancellationToken;
        jobs = Channel.CreateBounded<Job>(new BoundedChannelOptions(writers)
        {
            SingleReader = false,
            SingleWriter = false,
            // A batch is signed and sent on the thread that has just encoded it: no switch, and its bytes are still in the cache.
            AllowSynchronousContinuations = true,
        });
        running = writers;
        for (var i = 0; i < writers; i++)
        {
            _ = Task.Run(WriteAsync, CancellationToken.None);
        }
    }

    private sealed record Job(ItemBatch Batch, RangeTracker Range, RangeTracker.Portion Portion);

    /// <summary>Items accepted by the table.</summary>
    public long Items => Interlocked.Read(ref items);

    /// <summary>Bytes of canonical item JSON.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>Ends when every batch is written after <see cref="Complete"/>, or with the first error.</summary>
    public Task WhenDrainedAsync() => drained.Task;

    /// <summary>Ends when nothing is under way any more, whether it succeeded or not.</summary>
    public Task WhenEndedAsync() => ended.Task;

    public ItemBatch Rent() => idle.TryTake(out var batch) ? batch : new ItemBatch();

    public void Return(ItemBatch batch)
    {
        batch.Clear();
        idle.Add(batch);
    }

    public ValueTask SendAsync(ItemBatch batch, RangeTracker range, RangeTracker.Portion portion, CancellationToken cancellationToken) =>
        jobs.Writer.WriteAsync(new Job(batch, range, portion), cancellationToken);

    public void Complete() => jobs.Writer.TryComplete();

    private async Task WriteAsync()
    {
        try
        {
            await WriteAllAsync();
        }
        catch (Exception e)
        {
            drained.TrySetException(e);
        }

        if (Interlocked.Decrement(ref running) == 0)
        {
            drained.TrySetResult();
            ended.TrySetResult();
        }
    }

    private async Task WriteAllAsync()
    {
        await foreach (var job in jobs.Reader.ReadAllAsync(cancellationToken))
        {
            var isHeldBack = false;
            var result = await writer.WriteAsync(job.Batch, cancellationToken, () =>
            {
                if (!isHeldBack)
                {
                    isHeldBack = true;
                    job.Range.HoldBack();
                    Interlocked.Increment(ref running);
                    _ = Task.Run(WriteAsync, CancellationToken.None);
                }
            });
            SetAsideRow[] rejected = result.Rejected.IsDefaultOrEmpty ? [] : [.. result.Rejected.Select(r => new SetAsideRow(
                job.Range.Start.Entity, Encoding.UTF8.GetString(job.Batch.Key(r.Index).Span) + "}", SetAsideRow.RejectedByTable, r.Message))];
            Interlocked.Add(ref items, job.Batch.Count - rejected.Length);
            Interlocked.Add(ref bytes, job.Batch.ByteLength);
            job.Range.Close(job.Portion, rejected);
            Return(job.Batch);
            if (isHeldBack)
            {
                job.Range.GoOn();
                return;
            }
        }
    }
}
