using System.Text.Json;
using Amazon.Runtime;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Transfer;
using BillingMigration.Transfer;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using RetryPolicy = BillingMigration.Transfer.RetryPolicy;

namespace BillingMigration.Tests.Target;

/// <summary>The writer against DynamoDB Local behind a proxy that misbehaves.</summary>
public sealed class BatchWriterTests(DynamoDbLocalFixture server) : IAsyncLifetime
{
    private readonly FaultProxy proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
    private readonly TransferMetrics metrics = new();
    private readonly RetryPolicy quick = new() { BaseDelay = TimeSpan.FromMilliseconds(2), MaxDelay = TimeSpan.FromMilliseconds(50) };
    private TargetConnection direct = null!;
    private TargetConnection target = null!;
    private string table = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        direct = await server.ConnectAsync();
        target = await server.ConnectAsync(proxy.Url);
        table = await DynamoDbLocalFixture.CreateTableAsync(direct.Client);
    }

    public async ValueTask DisposeAsync()
    {
        await target.DisposeAsync();
        await proxy.DisposeAsync();
        await direct.DisposeAsync();
    }

    [Fact]
    public async Task What_is_written_is_what_is_read()
    {
        using var writer = Writer(quick);
        using var batch = Batches.Of(
            ("ACCOUNT#1", "BILL#ä\"\\\u0001✓", ",\"n\":{\"N\":\"-12.3400\"},\"b\":{\"B\":\"AAEC\"},\"z\":{\"NULL\":true},\"e\":{\"S\":\"\"}"),
            ("ACCOUNT#1", "BILL#2", ",\"m\":{\"M\":{\"x\":{\"L\":[{\"BOOL\":false}]}}}"));
        var result = await writer.WriteAsync(batch, Token);
        Assert.Equal(2, result.ConsumedWriteUnits);
        Assert.Equal((1, 0), (result.Requests, result.ThrottledRequests));
        Assert.Empty(result.Rejected);

        var items = await ReadAsync("ACCOUNT#1");
        Assert.Equal(2, items.Count);
        var first = items.Single(i => i.GetProperty("sk").GetProperty("S").GetString() == "BILL#ä\"\\\u0001✓");
        Assert.Equal("-12.34", first.GetProperty("n").GetProperty("N").GetString());
        Assert.Equal("AAEC", first.GetProperty("b").GetProperty("B").GetString());
        Assert.True(first.GetProperty("z").GetProperty("NULL").GetBoolean());
        Assert.Equal(2, metrics.Items);
    }

    [Fact]
    public async Task Only_the_unprocessed_items_are_sent_again()
    {
        using var writer = Writer(quick);
        using var batch = Batches.Of(Enumerable.Range(0, 25).Select(i => ("Grüße#1", $"ÜBER#{i:D2}", ",\"n\":{\"N\":\"1\"}")));
        proxy.Faults.Next(2, HttpFault.PartialBatch);
        var result = await writer.WriteAsync(batch, Token);
        Assert.Equal((3, 2), (result.Requests, result.ThrottledRequests));

        // 12 + 6 + 7: each item was charged once.
        Assert.Equal(25, result.ConsumedWriteUnits);
        Assert.Equal(25, metrics.Items);
        Assert.Equal(25, (await ReadAsync("Grüße#1")).Count);
    }

    [Fact]
    public async Task Nothing_is_lost_or_doubled_through_every_fault_together()
    {
        using var writer = Writer(quick);
        var rules = new[]
        {
            proxy.Faults.Sometimes(0.1, 1, HttpFault.Throttle), proxy.Faults.Sometimes(0.1, 2, HttpFault.InternalError), proxy.Faults.Sometimes(0.1, 3, HttpFault.Unavailable),
            proxy.Faults.Sometimes(0.2, 4, HttpFault.PartialBatch), proxy.Faults.Sometimes(0.1, 5, HttpFault.Reset), proxy.Faults.Sometimes(0.1, 6, HttpFault.LoseAnswer),
        };
        var throttled = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 40), new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Token }, async (number, token) =>
        {
            using var batch = Batches.Numbered($"P#{number}", 25);
            var result = await writer.WriteAsync(batch, token);
            Interlocked.Add(ref throttled, result.ThrottledRequests);
            Assert.Empty(result.Rejected);
        });
        Assert.All(rules, rule => Assert.True(rule.Hits > 0, $"{rule.Fault} never happened"));
        Assert.Equal(rules[0].Hits + rules[3].Hits, throttled);
        Assert.Equal(throttled, metrics.Throttled);
        var keys = new HashSet<string>();
        using var reader = new ItemReader(direct, table, new TransferMetrics(), quick, TimeProvider.System);
        await foreach (var item in reader.ScanAsync(8, Token))
        {
            using var json = JsonDocument.Parse(item);
            Assert.True(keys.Add($"{json.RootElement.GetProperty("pk")}{json.RootElement.GetProperty("sk")}"));
        }

        Assert.Equal(1000, keys.Count);
    }

    [Fact]
    public async Task A_swallowed_request_ends_after_the_attempts_time_and_is_sent_again()
    {
        using var writer = Writer(quick with { AttemptTimeout = TimeSpan.FromSeconds(1) });
        using var rule = proxy.Faults.Next(1, HttpFault.Swallow);
        using var batch = Batches.Numbered("P#1", 25);
        var result = await writer.WriteAsync(batch, Token);
        Assert.Equal(1, rule.Hits);
        Assert.True(result.Requests >= 2);
        Assert.Equal(25, (await ReadAsync("P#1")).Count);
    }

    /// <summary>The bytes of a request that its sender has given up may still be on their way, in this machine's own buffers too.</summary>
    [Fact]
    public async Task What_timed_out_does_not_arrive_behind_what_is_newer()
    {
        using var writer = Writer(quick with { AttemptTimeout = TimeSpan.FromSeconds(1) });
        using var late = proxy.Faults.Next(1, HttpFault.Late, "BatchWriteItem");
        using var older = Batches.Of(("P#1", "ITEM", ",\"amount\":{\"N\":\"1\"}"));
        using var newer = Batches.Of(("P#1", "ITEM", ",\"amount\":{\"N\":\"2\"}"));

        Assert.Equal(2, (await writer.WriteAsync(older, Token)).Requests);
        await writer.WriteAsync(newer, Token);
        await proxy.Faults.DeliverLateAsync();

        Assert.Equal("2", Assert.Single(await ReadAsync("P#1")).GetProperty("amount").GetProperty("N").GetString());
        Assert.Equal((1, 0), (proxy.Faults.TakenBack, proxy.Faults.ArrivedLate));
    }

    [Fact]
    public async Task A_batch_that_is_large_for_its_link_is_sent_in_parts_and_each_part_once()
    {
        using var writer = Writer(quick with { AttemptTimeout = TimeSpan.FromSeconds(2) });
        using var batch = Batches.Numbered("P#1", 25, $",\"note\":{{\"S\":\"{new string('x', 60_000)}\"}}");
        proxy.Faults.Link = new SharedLink(250_000);

        var result = await writer.WriteAsync(batch, Token);

        Assert.Equal(0, metrics.Retries);
        Assert.True(result.Requests > 1, $"{result.Requests} requests");
        Assert.Equal(25, metrics.Items);
        proxy.Faults.Link = null;
        Assert.Equal(25, (await ReadAsync("P#1")).Count);
    }

    [Fact]
    public async Task An_answer_that_comes_slowly_is_waited_for_as_long_as_it_comes()
    {
        using (var writer = Writer(quick))
        {
            using var batch = Batches.Numbered("P#1", 20, $",\"note\":{{\"S\":\"{new string('x', 40_000)}\"}}");
            await writer.WriteAsync(batch, Token);
        }

        proxy.Faults.Link = new SharedLink(250_000);
        var read = new TransferMetrics();
        using var reader = new ItemReader(target, table, read, quick with { AttemptTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
        var items = 0;
        await foreach (var _ in reader.QueryPartitionAsync("P#1", null, Token))
        {
            items++;
        }

        Assert.Equal((20, 0L), (items, read.Retries));
    }

    [Fact]
    public async Task A_network_that_stays_away_ends_the_job_as_NetworkLost()
    {
        var time = new FakeTimeProvider();
        using var writer = Writer(new RetryPolicy(), time);
        proxy.Faults.RefuseConnections = true;
        proxy.Faults.ResetConnections();
        using var batch = Batches.Numbered("P#1", 25);
        var started = time.GetTimestamp();
        var error = await Assert.ThrowsAsync<MigrationException>(
            () => writer.WriteAsync(batch, Token).AsTask().WhilePassingAsync(time, direct.Client));
        Assert.Equal("NetworkLost", error.ErrorId);
        Assert.Contains("checkpoint is kept", error.Message);
        Assert.InRange(time.GetElapsedTime(started).TotalSeconds, 3600, 3630);
    }

    [Fact]
    public async Task A_table_that_throttles_everything_ends_the_job_as_TargetThrottled()
    {
        var time = new FakeTimeProvider();
        using var writer = Writer(new RetryPolicy(), time);
        using var rule = proxy.Faults.While(HttpFault.Throttle);
        using var batch = Batches.Numbered("P#1", 25);
        var error = await Assert.ThrowsAsync<MigrationException>(
            () => writer.WriteAsync(batch, Token).AsTask().WhilePassingAsync(time, direct.Client));
        Assert.Equal("TargetThrottled", error.ErrorId);
        Assert.Contains("ProvisionedThroughputExceededException", error.Message);
        Assert.True(metrics.Throttled > 20);
    }

    [Fact]
    public async Task Expired_credentials_are_asked_for_again_once()
    {
        using var writer = Writer(quick);
        using var batch = Batches.Numbered("P#1", 25);
        proxy.Faults.Next(1, HttpFault.ExpiredCredentials);
        Assert.Equal(2, (await writer.WriteAsync(batch, Token)).Requests);

        using var rule = proxy.Faults.While(HttpFault.ExpiredCredentials);
        var error = await Assert.ThrowsAsync<MigrationException>(() => writer.WriteAsync(batch, Token).AsTask());
        Assert.Equal("CredentialsExpired", error.ErrorId);
        Assert.Equal(2, rule.Hits);
    }

    [Fact]
    public async Task A_write_in_another_Region_at_the_same_time_is_waited_out()
    {
        using var writer = Writer(quick);
        using var batch = Batches.Of(("P", "1", ""));
        proxy.Faults.Next(2, HttpFault.ReplicatedConflict, "BatchWriteItem");
        Assert.Equal(3, (await writer.WriteAsync(batch, Token)).Requests);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(-3)]
    public async Task A_clock_that_is_wrong_by_hours_is_corrected_by_the_answer(int hours)
    {
        using var writer = Writer(quick);
        using var batch = Batches.Of(("P", "1", ""));
        proxy.Faults.Clock = TimeSpan.FromHours(hours);
        Assert.Equal(2, (await writer.WriteAsync(batch, Token)).Requests);
        Assert.Equal(1, (await writer.WriteAsync(batch, Token)).Requests);

        // Set right again, it is right again.
        proxy.Faults.Clock = TimeSpan.FromTicks(1);
        Assert.Equal(2, (await writer.WriteAsync(batch, Token)).Requests);
    }

    [Fact]
    public async Task What_gives_the_credentials_may_be_away_for_a_while()
    {
        var source = new Metadata();
        using var http = new DynamoDbHttp(proxy.Url, "eu-central-1", source, quick, TimeProvider.System);
        source.IsAway = true;
        var away = await Assert.ThrowsAsync<CredentialsAwayException>(async () => await http.SendAsync("ListTables", "{}"u8.ToArray(), null, Token));
        Assert.Equal((FailureKind.Network, "CredentialsUnavailable"), (TransferFailure.FromException(away)!.Kind, TransferFailure.FromException(away)!.Code));
        source.IsAway = false;
        Assert.Equal(200, (await http.SendAsync("ListTables", "{}"u8.ToArray(), null, Token)).Status);

        // Those that are known are used on, until the table refuses them.
        source.IsAway = true;
        Assert.Equal(200, (await http.SendAsync("ListTables", "{}"u8.ToArray(), null, Token)).Status);
        http.RefreshCredentials();
        await Assert.ThrowsAsync<CredentialsAwayException>(async () => await http.SendAsync("ListTables", "{}"u8.ToArray(), null, Token));
    }

    private sealed class Metadata : AWSCredentials
    {
        public bool IsAway { get; set; }

        public override ImmutableCredentials GetCredentials() =>
            IsAway ? throw new AmazonClientException("The metadata service does not answer.") : new ImmutableCredentials("local", "local", null);
    }

    [Fact]
    public async Task A_denied_action_is_named()
    {
        using var writer = Writer(quick);
        using var rule = proxy.Faults.While(HttpFault.AccessDenied);
        using var batch = Batches.Numbered("P#1", 1);
        var error = await Assert.ThrowsAsync<MigrationException>(() => writer.WriteAsync(batch, Token).AsTask());
        Assert.Equal(("AccessDenied", "dynamodb:BatchWriteItem"), (error.ErrorId, error.Target));
        Assert.Contains("arn:aws:dynamodb:eu-central-1:123456789012:table/billing", error.Message);
        Assert.Equal(1, rule.Hits);
    }

    [Fact]
    public async Task A_missing_table_says_what_to_run()
    {
        using var writer = new BatchWriter(target, "no-such-table", new TransferThrottle(new ThrottleDefinition(), TimeProvider.System), metrics, quick, TimeProvider.System);
        using var batch = Batches.Numbered("P#1", 1);
        var error = await Assert.ThrowsAsync<MigrationException>(() => writer.WriteAsync(batch, Token).AsTask());
        Assert.Equal("TableNotFound", error.ErrorId);
        Assert.Contains("Initialize-BillingTable", error.Message);
    }

    [Fact]
    public async Task Items_that_the_table_refuses_are_found_and_the_others_are_written()
    {
        using var writer = Writer(quick);
        using var batch = new ItemBatch();
        for (var i = 0; i < 25; i++)
        {
            switch (i)
            {
                case 3:
                    Batches.Add(batch, "P#1", $"S#{i}", ",\"amount\":{\"N\":\"12,50secret\"}");
                    break;
                case 17:
                    Batches.Add(batch, "P#1", "S#" + new string('x', 1100), string.Empty);
                    break;
                case 24:
                    Batches.Add(batch, "P#1", "S#24", $",\"blob\":{{\"S\":\"{new string('y', 410_000)}\"}}");
                    break;
                default:
                    Batches.Add(batch, "P#1", $"S#{i}", ",\"amount\":{\"N\":\"1\"}");
                    break;
            }
        }

        var result = await writer.WriteAsync(batch, Token);
        Assert.Equal([3, 17, 24], result.Rejected.Select(r => r.Index));
        Assert.All(result.Rejected, r => Assert.DoesNotContain("secret", r.Message));
        Assert.Contains("number", result.Rejected[0].Message);
        Assert.Contains("size", result.Rejected[2].Message);
        Assert.Equal(22, (await ReadAsync("P#1")).Count);
        Assert.Equal(22, metrics.Items);
    }

    [Fact]
    public async Task A_cancellation_ends_the_wait_for_a_swallowed_request()
    {
        // Time stands still, so nothing but the cancellation can end it.
        using var writer = Writer(quick, new FakeTimeProvider());
        using var rule = proxy.Faults.While(HttpFault.Swallow);
        using var batch = Batches.Numbered("P#1", 1);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var writing = writer.WriteAsync(batch, cancel.Token).AsTask();
        Assert.False(writing.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing.WaitAsync(TimeSpan.FromSeconds(30), Token));
    }

    [Fact]
    public async Task The_wait_of_a_retry_is_shown()
    {
        var time = new FakeTimeProvider();
        var throttle = new TransferThrottle(new ThrottleDefinition(), time);
        using var writer = new BatchWriter(target, table, throttle, metrics, new RetryPolicy { BaseDelay = TimeSpan.FromHours(1), MaxDelay = TimeSpan.FromHours(1) }, time);
        proxy.Faults.Next(1, HttpFault.InternalError);
        using var batch = Batches.Numbered("P#1", 1);
        var writing = writer.WriteAsync(batch, Token).AsTask();
        while (throttle.State.Waiters == 0)
        {
            await Task.Yield();
        }

        Assert.Equal(TransferWait.Network, throttle.State.Waiting);
        time.Advance(TimeSpan.FromHours(1));
        await writing;
        Assert.Equal(0, throttle.State.Waiters);
        Assert.Equal(1, metrics.Retries);
    }

    private BatchWriter Writer(RetryPolicy policy, TimeProvider? time = null) =>
        new(target, table, new TransferThrottle(new ThrottleDefinition(), time ?? TimeProvider.System), metrics, policy, time ?? TimeProvider.System);

    private async Task<List<JsonElement>> ReadAsync(string pk)
    {
        using var reader = new ItemReader(direct, table, new TransferMetrics(), quick, TimeProvider.System);
        var items = new List<JsonElement>();
        await foreach (var item in reader.QueryPartitionAsync(pk, null, Token))
        {
            items.Add(JsonDocument.Parse(item).RootElement);
        }

        return items;
    }
}
