using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Target;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Tests.Snapshot;

/// <summary>The writers of an export against DynamoDB Local behind a proxy.</summary>
public sealed class WriterPoolTests(DynamoDbLocalFixture server)
{
    private const int Writers = 4;
    private const int Count = 40;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A partition that takes nothing holds up its own items and what is read behind them, and nothing else.</summary>
    [Fact]
    public async Task A_hot_account_waits_alone()
    {
        await using var direct = await server.ConnectAsync();
        var table = await DynamoDbLocalFixture.CreateTableAsync(direct.Client);
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        await using var target = await server.ConnectAsync(proxy.Url);
        var throttle = new TransferThrottle(new ThrottleDefinition(), TimeProvider.System);
        var quick = new RetryPolicy { BaseDelay = TimeSpan.FromMilliseconds(2), MaxDelay = TimeSpan.FromMilliseconds(50) };
        using var writer = new BatchWriter(target, table, throttle, new TransferMetrics(), quick, TimeProvider.System, mostRequests: Writers);
        var pool = new WriterPool(writer, Writers, Cancel);
        using var hotRange = new RangeTracker(Range(0), keepsRefused: false);
        using var otherRange = new RangeTracker(Range(1), keepsRefused: false);
        var isHot = true;
        proxy.Faults.Hot = pk => Volatile.Read(ref isHot) && pk == "ACCOUNT#HOT";

        var hot = FeedAsync(pool, hotRange, _ => "ACCOUNT#HOT");
        var other = FeedAsync(pool, otherRange, number => $"ACCOUNT#{number}");
        await other;
        while (otherRange.Written.Items < Count * ItemBatch.MaxItems)
        {
            await Task.Delay(10, Cancel);
        }

        Assert.False(hot.IsCompleted);
        Assert.Equal(0, hotRange.Written.Items);
        Assert.Null(throttle.State.AdaptiveItemsPerSecond);
        Volatile.Write(ref isHot, false);
        await hot;
        pool.Complete();
        await pool.WhenDrainedAsync();
        await pool.WhenEndedAsync();
        Assert.Equal((Count * ItemBatch.MaxItems, 2 * Count * ItemBatch.MaxItems), (hotRange.Written.Items, pool.Items));
    }

    private static SnapshotRange Range(int number) => new() { Entity = "CHARGE", Number = number };

    private static async Task FeedAsync(WriterPool pool, RangeTracker range, Func<int, string> partitionKey)
    {
        for (var number = 0; number < Count; number++)
        {
            var batch = pool.Rent();
            for (var item = 0; item < ItemBatch.MaxItems; item++)
            {
                Batches.Add(batch, partitionKey(number), $"CHARGE#{number:D3}#{item:D3}", "");
            }

            var portion = new RangeTracker.Portion { LastKey = [$"{number}"], Rows = batch.Count, Items = batch.Count, Bytes = batch.ByteLength, Refused = [] };
            await range.OpenAsync(portion, Cancel);
            await pool.SendAsync(batch, range, portion, Cancel);
        }
    }
}
