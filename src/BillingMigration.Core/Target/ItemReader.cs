using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using BillingMigration.Model;
using BillingMigration.Transfer;

namespace BillingMigration.Target;

/// <summary>Reads items of the billing table as they come over the wire: DynamoDB JSON, attributes in DynamoDB's order.</summary>
public sealed partial class ItemReader : IDisposable
{
    private readonly SignedCalls calls;
    private readonly TargetConnection target;
    private readonly string table;
    private readonly TransferMetrics metrics;
    private readonly RetryPolicy policy;

    public ItemReader(TargetConnection target, string table, TransferMetrics metrics, RetryPolicy policy, TimeProvider time)
        : this(target, table, metrics, policy, time, null)
    {
    }

    /// <param name="window">How many pages may be under way.</param>
    internal ItemReader(TargetConnection target, string table, TransferMetrics metrics, RetryPolicy policy, TimeProvider time, TransferWindow? window)
    {
        this.target = target;
        this.table = table;
        this.metrics = metrics;
        this.policy = policy;
        calls = new SignedCalls(target.OpenHttp(policy, time), metrics, policy, time, window);
    }

    /// <summary>Attributes that <see cref="GetAsync"/> reads; null: all.</summary>
    internal IReadOnlyList<string>? Attributes { get; init; }

    /// <summary>Items of one partition in the order of their sort keys, read consistently.</summary>
    /// <param name="partitionKey">Value of <c>pk</c>.</param>
    /// <param name="sortKeyPrefix">Only items whose <c>sk</c> begins so; null: all.</param>
    /// <returns>The JSON object of each item; the memory stays valid.</returns>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> QueryPartitionAsync(
        string partitionKey, string? sortKeyPrefix, CancellationToken cancellationToken) => PagesAsync(
            "Query",
            json =>
            {
                json.WriteBoolean("ConsistentRead", true);
                json.WriteString("KeyConditionExpression", sortKeyPrefix is null ? "pk = :p" : "pk = :p AND begins_with(sk, :s)");
                json.WriteStartObject("ExpressionAttributeValues");
                WriteText(json, ":p", partitionKey);
                if (sortKeyPrefix is not null)
                {
                    WriteText(json, ":s", sortKeyPrefix);
                }

                json.WriteEndObject();
            },
            cancellationToken);

    /// <summary>Items that an index has under one partition key. An index follows the table with a delay.</summary>
    /// <param name="key">Names of the index's key attributes.</param>
    internal IAsyncEnumerable<ReadOnlyMemory<byte>> QueryIndexAsync(KeyModel key, string partitionKey, CancellationToken cancellationToken) =>
        QueryAsync(new ItemQuery(key.Index, key.PartitionKeyAttribute, partitionKey, key.SortKeyAttribute, null, null, false, null), cancellationToken);

    /// <summary>Items of one partition of the table or of an index, in the order of the sort key.</summary>
    internal IAsyncEnumerable<ReadOnlyMemory<byte>> QueryAsync(ItemQuery query, CancellationToken cancellationToken) => PagesAsync("Query", query.Write, cancellationToken);

    /// <summary>Every item of the table, in no order, read consistently by several readers at a time.</summary>
    /// <param name="segments">Parts of the table that are read in parallel, 1 to 1,000,000.</param>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ScanAsync(int segments, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(segments, 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var found = Channel.CreateBounded<ReadOnlyMemory<byte>>(4096);
        var readers = Parallel.ForEachAsync(
            Enumerable.Range(0, segments),
            new ParallelOptions { MaxDegreeOfParallelism = Math.Min(segments, 16), CancellationToken = stop.Token },
            async (segment, token) =>
            {
                await foreach (var item in ScanSegmentAsync(segment, segments, token))
                {
                    await found.Writer.WriteAsync(item, token);
                }
            });
        var end = readers.ContinueWith(
            done => found.Writer.Complete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            await foreach (var item in found.Reader.ReadAllAsync(cancellationToken))
            {
                yield return item;
            }

            // Cancelled readers end the channel as finished ones do.
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            await stop.CancelAsync();
            await end;
        }
    }

    /// <summary>True when the table has an item.</summary>
    public async Task<bool> AnyAsync(CancellationToken cancellationToken)
    {
        var first = PagesAsync(
            "Scan",
            json =>
            {
                json.WriteBoolean("ConsistentRead", true);
                json.WriteNumber("Limit", 1);
            },
            cancellationToken);
        await using var items = first.GetAsyncEnumerator(cancellationToken);
        return await items.MoveNextAsync();
    }

    /// <summary>Items of one segment of a parallel scan.</summary>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> ScanSegmentAsync(int segment, int segments, CancellationToken cancellationToken) => PagesAsync(
        "Scan",
        json =>
        {
            json.WriteBoolean("ConsistentRead", true);
            json.WriteNumber("Segment", segment);
            json.WriteNumber("TotalSegments", segments);
        },
        cancellationToken);

    public void Dispose() => calls.Dispose();

    private async IAsyncEnumerable<ReadOnlyMemory<byte>> PagesAsync(
        string operation, Action<Utf8JsonWriter> parameters, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> startKey = default;
        do
        {
            var page = await CallAsync(operation, Request(parameters, startKey), cancellationToken);
            foreach (var item in page.Items)
            {
                yield return item;
            }

            startKey = page.LastEvaluatedKey;
        }
        while (!startKey.IsEmpty);
    }

    private async Task<ItemPage> CallAsync(string operation, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var (page, failure) = await calls.RunAsync(operation, body, Read, cancellationToken);
        return failure is null ? page!
            : throw (failure.Code == "ResourceNotFoundException"
                ? TargetErrors.TableNotFound(table, target.Endpoint, failure.Cause)
                : TargetErrors.GaveUp(failure, policy, target.Endpoint, $"Reading table '{table}'"));
    }

    private ItemPage Read(DynamoDbReply reply)
    {
        var page = ItemPage.Read(reply.Body);
        metrics.CountAccepted(page.Items.Count, page.Units);
        return page;
    }

    private ReadOnlyMemory<byte> Request(Action<Utf8JsonWriter> parameters, ReadOnlyMemory<byte> startKey)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("TableName", table);
        json.WriteString("ReturnConsumedCapacity", "TOTAL");
        parameters(json);
        if (!startKey.IsEmpty)
        {
            json.WritePropertyName("ExclusiveStartKey");
            json.WriteRawValue(startKey.Span);
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private static void WriteText(Utf8JsonWriter json, string name, string value)
    {
        json.WriteStartObject(name);
        json.WriteString("S", value);
        json.WriteEndObject();
    }
}
