using System.Text;
using System.Text.Json;
using BillingMigration.Definition;
using BillingMigration.Target;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Transfer;
using BillingMigration.Transfer;
using Xunit;

namespace BillingMigration.Tests.Target;

public sealed class ItemReaderTests(DynamoDbLocalFixture server)
{
    private static readonly RetryPolicy Quick = new() { BaseDelay = TimeSpan.FromMilliseconds(2), MaxDelay = TimeSpan.FromMilliseconds(50) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_partition_larger_than_a_page_is_read_whole_in_order_through_faults()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var target = await server.ConnectAsync(proxy.Url);
        var table = await DynamoDbLocalFixture.CreateTableAsync(target.Client);
        await FillAsync(target, table, partitions: 1, perPartition: 200, itemBytes: 12_000);
        proxy.Faults.Next(1, HttpFault.Throttle, "Query");
        proxy.Faults.Next(1, HttpFault.Reset, "Query");
        proxy.Faults.Next(1, HttpFault.InternalError, "Query");

        var metrics = new TransferMetrics();
        using var reader = new ItemReader(target, table, metrics, Quick, TimeProvider.System);
        var keys = new List<string>();
        await foreach (var item in reader.QueryPartitionAsync("P#0", null, Token))
        {
            keys.Add(SortKey(item));
        }

        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"ITEM#{i:D5}"), keys);
        Assert.True(metrics.Requests >= 6, "three pages and three faults");
        Assert.Equal((1, 3), (metrics.Throttled, metrics.Retries));
    }

    [Fact]
    public async Task A_prefix_of_the_sort_key_selects()
    {
        await using var target = await server.ConnectAsync();
        var table = await DynamoDbLocalFixture.CreateTableAsync(target.Client);
        await FillAsync(target, table, 2, 25, 10);
        using var reader = new ItemReader(target, table, new TransferMetrics(), Quick, TimeProvider.System);
        var keys = await ListAsync(reader.QueryPartitionAsync("P#1", "ITEM#0000", Token));
        Assert.Equal(10, keys.Count);
    }

    [Fact]
    public async Task A_scan_gives_every_item_once()
    {
        await using var target = await server.ConnectAsync();
        var table = await DynamoDbLocalFixture.CreateTableAsync(target.Client);
        await FillAsync(target, table, 40, 25, 4000);
        using var reader = new ItemReader(target, table, new TransferMetrics(), Quick, TimeProvider.System);
        var seen = await ListAsync(reader.ScanAsync(4, Token));
        Assert.Equal(1000, seen.Count);
        Assert.Equal(1000, seen.Distinct().Count());
    }

    [Fact]
    public async Task A_scan_that_is_left_early_or_fails_ends()
    {
        await using var target = await server.ConnectAsync();
        var table = await DynamoDbLocalFixture.CreateTableAsync(target.Client);
        await FillAsync(target, table, 4, 25, 10);
        using var reader = new ItemReader(target, table, new TransferMetrics(), Quick, TimeProvider.System);
        await using (var items = reader.ScanAsync(4, Token).GetAsyncEnumerator(Token))
        {
            Assert.True(await items.MoveNextAsync());
        }

        using var missing = new ItemReader(target, "no-such-table", new TransferMetrics(), Quick, TimeProvider.System);
        var error = await Assert.ThrowsAsync<MigrationException>(async () => await ListAsync(missing.ScanAsync(4, Token)));
        Assert.Equal("TableNotFound", error.ErrorId);
    }

    private static string SortKey(ReadOnlyMemory<byte> item)
    {
        using var json = JsonDocument.Parse(item);
        return json.RootElement.GetProperty("sk").GetProperty("S").GetString()!;
    }

    private static async Task<List<string>> ListAsync(IAsyncEnumerable<ReadOnlyMemory<byte>> items)
    {
        var found = new List<string>();
        await foreach (var item in items)
        {
            found.Add(Encoding.UTF8.GetString(item.Span));
        }

        return found;
    }

    private static async Task FillAsync(TargetConnection target, string table, int partitions, int perPartition, int itemBytes)
    {
        using var writer = new BatchWriter(
            target, table, new TransferThrottle(new ThrottleDefinition(), TimeProvider.System), new TransferMetrics(), Quick, TimeProvider.System);
        var more = $",\"text\":{{\"S\":\"{new string('x', itemBytes)}\"}}";
        foreach (var items in Enumerable.Range(0, partitions).SelectMany(p => Enumerable.Range(0, perPartition).Select(i => ($"P#{p}", $"ITEM#{i:D5}", more))).Chunk(25))
        {
            using var batch = Batches.Of(items);
            await writer.WriteAsync(batch, Token);
        }
    }
}
