using System.Globalization;
using System.Runtime.CompilerServices;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.Store.Tests;

/// <summary>However many partitions a query has, only some are read at the same time, and none that nobody needs.</summary>
public sealed class PathMergeTests(SampleStores stores)
{
    private const int Many = 100;

    private readonly TaskCompletionSource answers = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int begun;
    private int ended;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sixteen_partitions_are_read_at_a_time_into_one_order()
    {
        var query = await QueryAsync();
        await using var rows = PathMerge.MergeAsync(query, GivenOrder.Whole, [[.. Enumerable.Range(1, Many).Reverse().Select(id => PartitionAsync(query.Model, id))]], Cancel).GetAsyncEnumerator(Cancel);
        var first = rows.MoveNextAsync();
        Assert.Equal(16, begun);
        answers.SetResult();
        var ids = new List<string>();
        for (var isThere = await first; isThere; isThere = await rows.MoveNextAsync())
        {
            ids.Add(query.Model.Describe(rows.Current));
        }

        Assert.Equal(Enumerable.Range(1, Many).Select(id => $"customer_id={id}"), ids);
        Assert.Equal((Many, Many), (begun, ended));
    }

    [Fact]
    public async Task Of_partitions_one_after_the_other_only_a_few_are_read_ahead()
    {
        var query = await QueryAsync();
        answers.SetResult();
        await using (var rows = PathMerge.MergeAsync(query, GivenOrder.Whole, [.. Enumerable.Range(1, Many).Select(id => new[] { PartitionAsync(query.Model, id) })], Cancel).GetAsyncEnumerator(Cancel))
        {
            Assert.True(await rows.MoveNextAsync());
            Assert.True(await rows.MoveNextAsync());
            Assert.Equal("customer_id=2", query.Model.Describe(rows.Current));
        }

        Assert.InRange(begun, 2, 6);
        Assert.Equal(begun, ended);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_page_of_five_years_reads_the_months_that_it_needs(bool descending)
    {
        await using var store = await stores.OpenDynamoDbAsync();
        var all = await store.ListAsync(Within(new DateOnly(2024, 1, 1), new DateOnly(2030, 1, 1), descending), Cancel);
        var day = all.Select(a => a.Get<DateOnly>("end_date")).GroupBy(d => (d.Year, d.Month)).MaxBy(m => m.Count())!.First();
        var month = new DateOnly(day.Year, day.Month, 1);
        var query = descending ? Within(month.AddMonths(-59), month.AddMonths(1).AddDays(-1), descending) : Within(month, month.AddMonths(60), descending);
        await using var source = await stores.OpenAsync(Backend.MySql);
        var expected = await source.ListAsync(query, Cancel);
        var before = store.Metrics.Requests;
        var page = await store.PageAsync(query, 1, null, Cancel);
        Assert.InRange(store.Metrics.Requests - before, 1, 33);
        Assert.Equal(expected[0], page.Records.Single());
        before = store.Metrics.Requests;
        page = await store.PageAsync(query, 1, page.Continuation, Cancel);
        Assert.InRange(store.Metrics.Requests - before, 1, 33);
        Assert.Equal(expected[1], page.Records.Single());
        Assert.Equal(expected, await store.ListAsync(query, Cancel));
    }

    private static RecordQuery Within(DateOnly from, DateOnly below, bool descending) =>
        new RecordQuery(BillingEntity.Agreement).WhereWithin("end_date", from, below) with { OrderBy = "end_date", Descending = descending };

    private async Task<BoundQuery> QueryAsync()
    {
        await using var session = await (await stores.MigrationAsync(Backend.MySql)).ConnectAsync();
        var model = BillingModel.Bind(session.Definition, (await StoreSchema.ReadAsync(session, Cancel)).Tables);
        return BoundQuery.Bind(model, new RecordQuery(BillingEntity.Customer));
    }

    private async IAsyncEnumerable<RowBuffer> PartitionAsync(EntityModel entity, int id, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref begun);
        try
        {
            await answers.Task.WaitAsync(cancellationToken);
            var row = SampleRow.Of(entity);
            row.Set(entity.PrimaryKey[0], id.ToString(CultureInfo.InvariantCulture));
            yield return row;
        }
        finally
        {
            Interlocked.Increment(ref ended);
        }
    }
}
