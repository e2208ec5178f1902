using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Reverse;

/// <summary>
/// The billing table's stream (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html), which keeps what changed in the last 24 hours.
/// </summary>
internal sealed class TableStream : IDisposable
{
    /// <summary>Of one page.</summary>
    public const int MostRecords = 1_000;

    /// <summary>What is older may be trimmed. The stream keeps 24 hours; clocks differ.</summary>
    public static readonly TimeSpan Keeps = TimeSpan.FromHours(23);

    private const string Api = "DynamoDBStreams_20120810";
    private const string Trimmed = "TrimmedDataAccessException";
    private const string Expired = "ExpiredIteratorException";

    private readonly MigrationSession session;
    private readonly SignedCalls calls;
    private readonly Uri endpoint;

    private TableStream(MigrationSession session, string arn)
    {
        this.session = session;
        Arn = arn;
        var target = session.Target;
        endpoint = target.IsEmulator ? target.Endpoint : new UriBuilder(target.Endpoint) { Host = $"streams.dynamodb.{target.Region}.{Suffix(target.Endpoint.Host)}" }.Uri;
        calls = new SignedCalls(new DynamoDbHttp(endpoint, target.Region, target.Credentials, session.Retry, session.Time, Api), new TransferMetrics(), session.Retry, session.Time);
    }

    public string Arn { get; }

    /// <exception cref="MigrationException"><c>StreamMissing</c>: the table has no stream with both images.</exception>
    public static async Task<TableStream> OpenAsync(MigrationSession session, CancellationToken cancellationToken) =>
        await FindArnAsync(session, cancellationToken) is { } arn ? new TableStream(session, arn) : throw ReverseErrors.StreamMissing(session.Definition.Target.Table);

    /// <returns>Null: the table has no stream with both images.</returns>
    public static async Task<string?> FindArnAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        var table = session.Definition.Target.Table;
        var calls = new ControlCalls(session.Target.Client, table, session.Retry, session.Time);
        var description = await calls.RunAsync($"Looking at table '{table}'", ct => session.Target.Client.DescribeTableAsync(table, ct), cancellationToken);
        return description.Table.StreamSpecification is { StreamEnabled: true } stream && stream.StreamViewType == StreamViewType.NEW_AND_OLD_IMAGES ? description.Table.LatestStreamArn : null;
    }

    /// <summary>All shards that the stream still has.</summary>
    public async Task<IReadOnlyList<StreamShard>> ListShardsAsync(CancellationToken cancellationToken)
    {
        var shards = new List<StreamShard>();
        string? after = null;
        do
        {
            var body = Body(("StreamArn", Arn), ("ExclusiveStartShardId", after));
            using var answer = await CallAsync("DescribeStream", body, cancellationToken);
            var description = answer.RootElement.GetProperty("StreamDescription");
            foreach (var shard in description.GetProperty("Shards").EnumerateArray())
            {
                var range = shard.GetProperty("SequenceNumberRange");
                shards.Add(new StreamShard(
                    shard.GetProperty("ShardId").GetString()!,
                    shard.TryGetProperty("ParentShardId", out var parent) ? parent.GetString() : null,
                    range.TryGetProperty("EndingSequenceNumber", out var end) && end.ValueKind == JsonValueKind.String));
            }

            after = description.TryGetProperty("LastEvaluatedShardId", out var last) ? last.GetString() : null;
        }
        while (after is not null);
        return shards;
    }

    /// <summary>Where to read a shard from.</summary>
    /// <param name="after">Sequence number of the last record read; null: from <paramref name="latest"/> or the oldest that is kept.</param>
    /// <returns>Null: what follows is not kept any more.</returns>
    public async Task<string?> FindIteratorAsync(string shard, string? after, bool latest, CancellationToken cancellationToken)
    {
        var kind = after is not null ? "AFTER_SEQUENCE_NUMBER" : latest ? "LATEST" : "TRIM_HORIZON";
        var body = Body(("StreamArn", Arn), ("ShardId", shard), ("ShardIteratorType", kind), ("SequenceNumber", after));
        var (answer, failure) = await calls.RunAsync("GetShardIterator", body, static reply => JsonDocument.Parse(reply.Body.ToArray()), cancellationToken);
        if (failure is { Code: Trimmed or "ResourceNotFoundException" })
        {
            return null;
        }

        using var found = failure is null ? answer! : throw Error(failure);
        return found.RootElement.GetProperty("ShardIterator").GetString();
    }

    /// <returns>Null: the iterator is no longer good; another is to be asked for.</returns>
    public async Task<StreamPage?> ReadAsync(string iterator, CancellationToken cancellationToken)
    {
        var (page, failure) = await calls.RunAsync("GetRecords", Body(("ShardIterator", iterator)), Page, cancellationToken);
        return failure switch
        {
            null => page,
            { Code: Expired or Trimmed } => null,
            _ => throw Error(failure),
        };
    }

    public void Dispose() => calls.Dispose();

    private static StreamPage Page(DynamoDbReply reply)
    {
        using var json = JsonDocument.Parse(reply.Body.ToArray());
        var records = new List<StreamRecord>();
        foreach (var record in json.RootElement.GetProperty("Records").EnumerateArray())
        {
            var change = record.GetProperty("dynamodb");
            var image = change.TryGetProperty("NewImage", out var after) ? after : change.TryGetProperty("OldImage", out var before) ? before : change.GetProperty("Keys");
            records.Add(new StreamRecord(
                change.GetProperty("SequenceNumber").GetString()!,
                DateTimeOffset.FromUnixTimeMilliseconds((long)(change.GetProperty("ApproximateCreationDateTime").GetDouble() * 1000)),
                Encoding.UTF8.GetBytes(image.GetRawText())));
        }

        return new StreamPage(records, 0, json.RootElement.TryGetProperty("NextShardIterator", out var next) ? next.GetString() : null);
    }

    private static string Suffix(string host) => host.EndsWith(".cn", StringComparison.OrdinalIgnoreCase) ? "amazonaws.com.cn" : "amazonaws.com";

    private static byte[] Body(params ReadOnlySpan<(string Name, string? Value)> fields)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var (name, value) in fields)
            {
                if (value is not null)
                {
                    json.WriteString(name, value);
                }
            }

            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private async Task<JsonDocument> CallAsync(string operation, byte[] body, CancellationToken cancellationToken)
    {
        var (answer, failure) = await calls.RunAsync(operation, body, static reply => JsonDocument.Parse(reply.Body.ToArray()), cancellationToken);
        return failure is null ? answer! : throw Error(failure);
    }

    private MigrationException Error(TransferFailure failure) => TargetErrors.GaveUp(failure, session.Retry, endpoint, $"Reading the stream of table '{session.Definition.Target.Table}'");
}
