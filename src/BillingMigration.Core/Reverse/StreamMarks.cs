using System.Buffers;
using System.Globalization;
using System.Text;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Reverse;

/// <summary>
/// Finds the end of the table's stream, which no call tells: an empty answer may only mean that a change has not come so far. Items are written to the table until one of them has come out of every
/// shard that is open. A shard holds the changes of a part of the table in their order, so all that was written before has come out of it too.
/// </summary>
internal sealed class StreamMarks(MigrationSession session, Lease lease) : IDisposable
{
    private const string PartitionKey = "BILLINGMIGRATION#MARK#";
    private const string SortKey = "MARK";

    /// <summary>For each shard that has none: keys are spread over the shards by chance.</summary>
    private const int PerShard = 4;

    /// <summary>How long the last ones are waited for before there are more.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly string id = Guid.NewGuid().ToString("N");
    private readonly BatchWriter writer = new(
        session.Target, session.Definition.Target.Table, new TransferThrottle(session.Definition.Throttle, session.Time), new TransferMetrics(), session.Retry, session.Time, lease.WaitHeldAsync);

    private readonly HashSet<string> marked = new(StringComparer.Ordinal);
    private int written;
    private long writtenAt;

    /// <summary>Looks for marks among the records of a shard.</summary>
    public void Look(string shard, IEnumerable<StreamRecord> records)
    {
        var mark = Encoding.ASCII.GetBytes(id);
        if (!marked.Contains(shard) && records.Any(r => r.Image.Span.IndexOf(mark) >= 0))
        {
            marked.Add(shard);
        }
    }

    /// <summary>True when all of them have one.</summary>
    public bool AreIn(IEnumerable<string> shards) => shards.All(marked.Contains);

    /// <summary>Writes as many as those shards are likely to need that have none.</summary>
    /// <exception cref="MigrationException">The table cannot be written.</exception>
    public async Task WriteAsync(IEnumerable<string> shards, CancellationToken cancellationToken)
    {
        var left = shards.Count(s => !marked.Contains(s));
        if (left == 0 || (written > 0 && session.Time.GetElapsedTime(writtenAt) < Patience))
        {
            return;
        }

        // The more shards there are already, the rarer is it that a key belongs to one that is left.
        var more = PerShard * Math.Max(left, marked.Count);
        await WriteAsync(written, more, AddMark, cancellationToken);
        written += more;
        writtenAt = session.Time.GetTimestamp();
    }

    /// <summary>Takes them out of the table again. Those of a process that was killed are written over by the next ones.</summary>
    public Task RemoveAsync(CancellationToken cancellationToken) => WriteAsync(0, written, AddRemoval, cancellationToken);

    public void Dispose() => writer.Dispose();

    private async Task WriteAsync(int from, int count, Action<ItemBatch, string> add, CancellationToken cancellationToken)
    {
        using var batch = new ItemBatch();
        for (var number = from; number < from + count; number++)
        {
            add(batch, string.Create(CultureInfo.InvariantCulture, $$"""{"pk":{"S":"{{PartitionKey}}{{number}}"},"sk":{"S":"{{SortKey}}"}"""));
            if (batch.IsFull || number == from + count - 1)
            {
                if ((await writer.WriteAsync(batch, cancellationToken)).Rejected is [var first, ..])
                {
                    throw ReverseErrors.MarkRefused(session.Definition.Target.Table, first.Message);
                }

                batch.Clear();
            }
        }
    }

    private void AddMark(ItemBatch batch, string key)
    {
        batch.Write(Encoding.ASCII.GetBytes(key + $$""","mark":{"S":"{{id}}"}""" + "}"));
        batch.CommitItem(key.Length);
    }

    private static void AddRemoval(ItemBatch batch, string key)
    {
        batch.Write(Encoding.ASCII.GetBytes(key + "}"));
        batch.CommitDelete();
    }
}
