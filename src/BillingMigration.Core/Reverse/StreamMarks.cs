using System.Globalization;
using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Target;

namespace BillingMigration.Reverse;

/// <summary>
/// Finds the end of the table's stream, which no call tells: an empty answer may only mean that a change has not come so far. Items are written to the table until one of them has come out of every
/// shard that is open. A shard holds the changes of a part of the table in their order, so all that was written before has come out of it too.
/// </summary>
internal sealed class StreamMarks(MigrationSession session)
{
    private const string PartitionKey = "BILLINGMIGRATION#MARK#";
    private const string SortKey = "MARK";
    private const int PerBatch = 25;

    /// <summary>For each shard that has none: keys are spread over the shards by chance.</summary>
    private const int PerShard = 4;

    private static readonly TimeSpan Unprocessed = TimeSpan.FromMilliseconds(50);

    /// <summary>How long the last ones are waited for before there are more.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly string id = Guid.NewGuid().ToString("N");
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
        await WriteAsync(Enumerable.Range(written, more).Select(n => new WriteRequest(new PutRequest(new() { ["pk"] = new(Key(n)), ["sk"] = new(SortKey), ["mark"] = new(id) }))), cancellationToken);
        written += more;
        writtenAt = session.Time.GetTimestamp();
    }

    /// <summary>Takes them out of the table again. Those of a process that was killed are written over by the next ones.</summary>
    public Task RemoveAsync(CancellationToken cancellationToken) =>
        WriteAsync(Enumerable.Range(0, written).Select(n => new WriteRequest(new DeleteRequest(new() { ["pk"] = new(Key(n)), ["sk"] = new(SortKey) }))), cancellationToken);

    private static string Key(int number) => string.Create(CultureInfo.InvariantCulture, $"{PartitionKey}{number}");

    private async Task WriteAsync(IEnumerable<WriteRequest> writes, CancellationToken cancellationToken)
    {
        var table = session.Definition.Target.Table;
        try
        {
            foreach (var batch in writes.Chunk(PerBatch))
            {
                for (var left = new List<WriteRequest>(batch); left.Count > 0;)
                {
                    var answer = await session.Target.Client.BatchWriteItemAsync(new BatchWriteItemRequest { RequestItems = new() { [table] = left } }, cancellationToken);
                    left = answer.UnprocessedItems?.GetValueOrDefault(table) ?? [];
                    if (left.Count > 0)
                    {
                        await Task.Delay(Unprocessed, session.Time, cancellationToken);
                    }
                }
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is not MigrationException)
        {
            throw TargetErrors.From(e, session.Target.Endpoint, $"Marking the end of the stream of table '{table}'");
        }
    }
}
