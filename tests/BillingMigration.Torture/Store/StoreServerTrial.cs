using System.Text;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Target;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Transfer;
using SampleBilling;

namespace BillingMigration.Torture;

/// <summary>
/// The searcher's calls, many at the same time, on a real server behind a proxy that loses what it can. What happens in between is not seen
/// there; in the end what was acknowledged is there once, what was refused never, sums add up, and keys and foreign keys hold.
/// </summary>
internal sealed class StoreServerTrial : IAsyncDisposable
{
    private const int Stores = 3;
    private const int Clients = 6;
    private const int LargeAccount = 150;

    /// <summary>Counted and not timed: how many calls a cut hits must not depend on the machine.</summary>
    private const int CallsToACut = 60;

    private readonly TestDatabase database;
    private readonly SampleMigration migration;
    private readonly FaultProxy proxy;
    private readonly bool isDynamoDb;
    private readonly Random random;
    private readonly List<StoreCall> calls = [];

    private StoreServerTrial(TestDatabase database, SampleMigration migration, FaultProxy proxy, bool isDynamoDb, int seed) =>
        (this.database, this.migration, this.proxy, this.isDynamoDb, random) = (database, migration, proxy, isDynamoDb, new Random(seed));

    /// <param name="server">Of the source.</param>
    /// <param name="table">Where the definition's table is made, also when nobody uses it.</param>
    /// <param name="dynamoDb">The table is the backend; else the source is.</param>
    public static async Task<StoreTortureResult> RunAsync(SqlServerProcess server, Uri table, bool dynamoDb, int seed, int calls, CancellationToken cancellationToken)
    {
        await using var trial = await CreateAsync(server, table, dynamoDb, seed, cancellationToken);
        return await trial.RunAsync(calls, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await proxy.DisposeAsync();
        await migration.DropAsync();
        await migration.DisposeAsync();
        await database.DisposeAsync();
    }

    private static async Task<StoreServerTrial> CreateAsync(SqlServerProcess server, Uri table, bool dynamoDb, int seed, CancellationToken cancellationToken)
    {
        var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, 120, seed: 3, cancellationToken: cancellationToken);
        await database.ExecuteAsync($"""
            INSERT INTO charge (account_id, charge_type, description, amount, tax_amount, charged_at)
              WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {LargeAccount}) SELECT 1, 'USAGE', 'migrated', n, 0, '2026-01-15' FROM r
            """);
        var migration = SampleMigration.Create(database.ConnectionString, table);
        await migration.InitializeAsync();
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await StoreSchema.SaveAsync(session, cancellationToken);
        var proxy = dynamoDb ? FaultProxy.Start(table.Host, table.Port, ProxiedProtocol.Http) : FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        return new StoreServerTrial(database, migration, proxy, dynamoDb, seed);
    }

    private async Task<StoreTortureResult> RunAsync(int count, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var model = await Reverse.ReverseFollower.BindAsync(session, cancellationToken);
        // The plan takes its rows from what was there when the trial began.
        var before = await MirrorAsync(model, cancellationToken);
        var plan = new StoreCallPlan(before.Mirror, random);
        var stores = new List<BillingStore>();
        for (var i = 0; i < Stores; i++)
        {
            stores.Add(await OpenAsync(cancellationToken));
        }

        if (isDynamoDb)
        {
            foreach (var (fault, place) in new[] { HttpFault.LoseAnswer, HttpFault.Reset, HttpFault.InternalError, HttpFault.Throttle }.Select((f, i) => (f, i)))
            {
                proxy.Faults.Sometimes(0.01, random.Next() + place, fault);
            }
        }

        var left = count;
        await Task.WhenAll(Enumerable.Range(0, Stores * Clients).Select(c => Task.Run(
            async () =>
            {
                while (Interlocked.Decrement(ref left) >= 0)
                {
                    var call = Next(plan);
                    await call.MakeAsync(stores[c % Stores], before.Mirror, cancellationToken);
                }
            },
            cancellationToken)));
        proxy.Faults.Clear();
        if (isDynamoDb)
        {
            while (await ((DynamoDbBillingStore)stores[0]).FinishAllLargeUnitsAsync(cancellationToken) > 0)
            {
            }
        }

        foreach (var store in stores)
        {
            await store.DisposeAsync();
        }

        var after = await MirrorAsync(model, cancellationToken);
        string[] violations = [.. after.Wrong, .. Effects(after.Mirror), .. Sums(before.Mirror, after.Mirror)];
        var told = calls.GroupBy(c => c.IsContended ? "Contended" : $"{c.Told} {c.Why}".Trim()).ToDictionary(g => g.Key, g => g.Count());
        return new StoreTortureResult(calls.Count, proxy.Requests, 0, told, violations, TimeSpan.Zero);
    }

    private StoreCall Next(StoreCallPlan plan)
    {
        lock (calls)
        {
            var call = plan.Next(knowsLater: false);
            while (!call.IsTraceable)
            {
                call = plan.Next(knowsLater: false);
            }

            calls.Add(call);
            if (!isDynamoDb && calls.Count % CallsToACut == 0)
            {
                proxy.Faults.ResetConnections();
            }

            return call;
        }
    }

    private async Task<BillingStore> OpenAsync(CancellationToken cancellationToken)
    {
        if (isDynamoDb)
        {
            return await DynamoDbBillingStore.OpenAsync(migration.Definition, SampleMigration.Access with { EndpointUrl = proxy.Url }, TimeProvider.System, cancellationToken);
        }

        var through = migration.Definition with { Source = migration.Definition.Source with { Host = "127.0.0.1", Port = proxy.Port } };
        return await MySqlBillingStore.OpenAsync(through, migration.Credential, TimeProvider.System, cancellationToken);
    }

    private async Task<(StoreMirror Mirror, List<string> Wrong)> MirrorAsync(BillingModel model, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var rows = isDynamoDb ? await ItemsAsync(session, model, cancellationToken) : await SourceRows.ReadAsync(session.Source, model, cancellationToken);
        var mirror = new StoreMirror(model, TimeProvider.System);
        return (mirror, [.. mirror.Apply([.. rows.Select(r => new RowDelta(r.Model, null, r.Row, null, null))], inParts: false)]);
    }

    private static async Task<List<(EntityModel Model, RowBuffer Row)>> ItemsAsync(MigrationSession session, BillingModel model, CancellationToken cancellationToken)
    {
        var rows = new List<(EntityModel, RowBuffer)>();
        using var reader = new ItemReader(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
        await foreach (var json in reader.ScanAsync(segments: 4, cancellationToken))
        {
            var entity = model[ItemImage.Parse(json)[EntityModel.EntityAttribute].S];
            rows.Add((entity, ItemCodec.Decode(entity, Encoding.UTF8.GetString(json.Span))));
        }

        return rows;
    }

    /// <summary>What was acknowledged is there once, and what was refused is not.</summary>
    private IEnumerable<string> Effects(StoreMirror after)
    {
        foreach (var call in calls)
        {
            if (call.Traces(after) is not { } traces)
            {
                continue;
            }

            call.Effects = traces;
            foreach (var wrong in call.CheckEffects())
            {
                yield return $"call {call}: {wrong}";
            }
        }
    }

    /// <summary>Payments and charges are in the sums that they change.</summary>
    private IEnumerable<string> Sums(StoreMirror before, StoreMirror after)
    {
        var (bills, accounts) = (after.Model[BillingEntity.Bill], after.Model[BillingEntity.Account]);
        foreach (var paid in calls.OfType<PayCall>().GroupBy(p => p.Bill))
        {
            var grown = Sum(bills, after.Find(BillingEntity.Bill, paid.Key), "amount_paid") - Sum(bills, before.Find(BillingEntity.Bill, paid.Key), "amount_paid");
            var (least, most) = (paid.Where(p => p.Told == Told.Done).Sum(p => p.Amount), paid.Where(p => p.Told is Told.Done or Told.Unknown).Sum(p => p.Amount));
            if (grown < least || grown > most)
            {
                yield return $"bill {paid.Key}: {grown} paid, acknowledged {least} to {most}";
            }
        }

        var moves = calls.OfType<PostCall>().Select(p => (Account: (long?)p.Account, By: p.Sum, p.Told))
            .Concat(calls.OfType<PayCall>().Select(p => (Account: AccountOf(bills, before.Find(BillingEntity.Bill, p.Bill)), By: -p.Amount, p.Told)));
        foreach (var moved in moves.Where(m => m.Account is not null && m.Told is Told.Done or Told.Unknown).GroupBy(m => m.Account!.Value))
        {
            if (moved.Any(m => m.Told == Told.Unknown))
            {
                continue;
            }

            // A sum may be rounded up or down by half a cent, by its sign.
            var grown = Sum(accounts, after.Find(BillingEntity.Account, moved.Key), "balance") - Sum(accounts, before.Find(BillingEntity.Account, moved.Key), "balance");
            if (Math.Abs(grown - moved.Sum(m => m.By)) > 0.005m * moved.Count())
            {
                yield return $"account {moved.Key}: the balance has grown by {grown}, acknowledged {moved.Sum(m => m.By)}";
            }
        }
    }

    private static decimal Sum(EntityModel model, RowBuffer? row, string column) => row is null ? 0 : BillingAmounts.Of(model, row, column);

    private static long? AccountOf(EntityModel bills, RowBuffer? bill) => bill is null ? null : new BillingRecord(bills, bill).Get<long>("account_id");
}
