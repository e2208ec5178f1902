using BillingMigration.Model;
using BillingMigration.Torture;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>What the searcher takes for right, held against real servers: the same kinds of calls, one after the other.</summary>
public sealed class ReferenceTests(SampleStores stores)
{
    private const int Calls = 600;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public async Task A_server_does_what_the_reference_says_and_refuses_what_it_refuses(bool mariaDb, int seed)
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb);
        // One balance has little room left.
        await shop.Database.ExecuteAsync("UPDATE billing_account SET balance = 999999999900 WHERE account_id = 1");
        await using var session = await shop.Migration.ConnectAsync();
        var model = await Reverse.ReverseFollower.BindAsync(session, Cancel);
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 8, 0, 0, TimeSpan.Zero));
        await using var store = await shop.OpenAsync(mariaDb ? Backend.MariaDb : Backend.MySql, time);
        var mirror = new StoreMirror(model, time);
        var rows = await RowsAsync(session, model);
        Assert.Empty(mirror.Apply([.. rows.Values.Select(r => new RowDelta(r.Model, null, r.Row, null, null))], inParts: false));
        var plan = new StoreCallPlan(mirror, new Random(seed));
        var told = new Dictionary<Told, int>();
        for (var i = 0; i < Calls; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            var call = plan.Next(knowsLater: false);
            await call.MakeAsync(store, mirror, Cancel);

            var after = await RowsAsync(session, model);
            var deltas = rows.Keys.Union(after.Keys)
                .Select(k => (Before: rows.GetValueOrDefault(k), After: after.GetValueOrDefault(k)))
                .Where(d => d.Before.Row is not { } before || d.After.Row is not { } now || before.Differs(now, Enumerable.Range(0, d.Before.Model.Row.Length).ToArray()))
                .Select(d => new RowDelta(d.Before.Model ?? d.After.Model, d.Before.Row, d.After.Row, null, null))
                .ToArray();
            call.Effects = deltas.Length > 0 ? 1 : 0;
            string[] wrong =
            [
                .. deltas.Length > 0 ? call.Check(mirror, deltas) : [],
                .. call.Told == Told.Done && !call.DidNothing ? call.Refusals.Where(r => r.Error != StoreError.TooManyRows).Select(r => $"was done, and the reference refuses it: {r}") : [],
                .. call.CheckEnd(),
                .. mirror.Apply(deltas, inParts: false),
            ];
            Assert.True(wrong.Length == 0, $"{call}: {string.Join("; ", wrong)}");
            told[call.Told] = told.GetValueOrDefault(call.Told) + 1;
            rows = after;
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", told.Select(t => $"{t.Key} {t.Value}")));
        Assert.InRange(told[Told.Refused], Calls / 20, Calls / 2);
    }

    private static async Task<Dictionary<string, (EntityModel Model, RowBuffer Row)>> RowsAsync(MigrationSession session, BillingModel model) =>
        (await SourceRows.ReadAsync(session.Source, model, Cancel)).ToDictionary(r => $"{r.Model.Entity} {r.Model.Describe(r.Row)}");
}
