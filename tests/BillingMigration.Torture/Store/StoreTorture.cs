using BillingMigration.Model;
using BillingMigration.Simulation;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.Torture;

/// <summary>
/// Many applications on one table, on a DynamoDB and a network that do all that they may do. After each commit the rows must be what MySQL's keys and foreign keys allow, and the commit what its call asked for;
/// when all is quiet, what was acknowledged is there once, what was refused never, and nothing is left half done. The same seed gives the same trial.
/// </summary>
internal sealed class StoreTorture : IDisposable
{
    private const int Most = 20;

    private readonly StoreTortureOptions options;
    private readonly Random random;
    private readonly VirtualTime time = new();
    private readonly SimulatedDynamoDb dynamoDb;
    private readonly SimulatedShop shop;
    private readonly StoreMirror mirror;
    private readonly StoreCallPlan plan;
    private readonly List<string> violations = [];
    private readonly List<StoreCall> calls = [];
    private readonly List<StoreCall> underWay = [];
    private readonly Dictionary<string, StoreCall> intents = [];
    private readonly List<RepeatedCall> repeatable = [];
    private long commits;
    private int left;

    private static readonly TimeSpan Quiet = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan Suspended = TimeSpan.FromMinutes(11);

    private StoreTorture(StoreTortureOptions options)
    {
        this.options = options;
        random = new Random(options.Seed);
        dynamoDb = new SimulatedDynamoDb(time, options.Seed, options.Cruelty);
        // Opening a store and setting the table up go by clocks of the SDK, which are not simulated.
        dynamoDb.Script = r => Traced(r).Process.Name == "setup" || r.Operation == "DescribeTable" || r.Caller is null ? Fault.None : null;
        shop = new SimulatedShop(time, dynamoDb, options.HasLargeRows ? SimulatedShop.WithLongTexts : null, options.HasLookups ? SimulatedShop.WithLookups : null);
        mirror = new StoreMirror(BillingModel.Bind(shop.Definition, SimulatedShop.ByName(shop.LaterTables)), time);
        plan = new StoreCallPlan(mirror, random) { HasLargeRows = options.HasLargeRows };
        left = options.Calls;
    }

    public static StoreTortureResult Run(StoreTortureOptions options)
    {
        using var torture = new StoreTorture(options);
        return torture.Run();
    }

    public void Dispose() => shop.Dispose();

    private StoreTortureResult Run()
    {
        dynamoDb.Committed += Look;
        time.Run(SetUpAsync);
        dynamoDb.RunUntilQuiet();
        time.Run(() => Task.WhenAll(Enumerable.Range(0, options.Processes).Select(p => ProcessAsync(p, p == 0))));
        dynamoDb.RunUntilQuiet();
        time.Run(FinishAsync);
        dynamoDb.RunUntilQuiet();
        LookAtEnd();
        var told = calls.GroupBy(c => c.IsContended ? "Contended" : $"{c.Told} {c.Why}".Trim()).ToDictionary(g => g.Key, g => g.Count());
        return new StoreTortureResult(calls.Count, dynamoDb.Requests.Values.Sum(), commits, told, violations, time.GetUtcNow() - new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    }

    private SimulatedRequest Traced(SimulatedRequest request)
    {
        options.Trace?.WriteLine($"{time.GetUtcNow():mm:ss.fffffff} {request.Process.Name} sends {request.Number} {request.Operation} of {(request.Caller as StoreCall)?.Number} {request.Json.Length}");
        return request;
    }

    private void Wrong(string what)
    {
        if (violations.Count < Most)
        {
            violations.Add(what);
        }

        options.Trace?.WriteLine($"!! {what}");
    }

    private async Task SetUpAsync()
    {
        foreach (var step in shop.Steps())
        {
            await UntilDoneAsync(step);
        }

        foreach (var (entity, row) in Rows())
        {
            await UntilDoneAsync(() => shop.PutAsync(entity, row));
        }
    }

    /// <summary>Rows as the migration leaves them.</summary>
    private IEnumerable<(EntityModel, RowBuffer)> Rows()
    {
        var ids = new Dictionary<string, int>();
        (EntityModel, RowBuffer) Row(string name, IReadOnlyDictionary<string, object?> values)
        {
            var entity = shop.Model[name];
            var row = SimulatedShop.RowOf(entity, ids[name] = ids.GetValueOrDefault(name) + 1, values);
            return (entity, row);
        }

        for (var customer = 1; customer <= 3; customer++)
        {
            yield return Row(BillingEntity.Customer, StoreCallPlan.Values(("customer_number", $"C{customer}"), ("address", "{}")));
        }

        for (var account = 1; account <= 4; account++)
        {
            // One balance has little room left, and what the large account owes is too much for a bill in every other trial.
            var balance = account == 3 ? BillingAmounts.Most - 50_000_000m : 0;
            yield return Row(BillingEntity.Account, StoreCallPlan.Account(1 + (account % 2), $"A{account}").SetItem("balance", balance));
            yield return Row(BillingEntity.Subscriber, StoreCallPlan.Subscriber(account, $"+{account}"));
            // What they have in all is about what a transaction takes.
            for (var charge = 0; charge < (account != 2 ? 3 : options.HasLargeRows ? options.LargeAccount / 3 : options.LargeAccount); charge++)
            {
                var text = options.HasLargeRows && account == 2 ? new string('x', random.Next(60_000, 110_000)) : "migrated";
                yield return Row(BillingEntity.Charge, StoreCallPlan.Charge(account, account == 2 && options.Seed % 2 == 0 ? 7_600_000_000m + charge : 1 + charge, text).SetItem("subscriber_id", charge % 10 == 0 ? 1 + (account % 4) : null));
            }
        }
    }

    private static async Task UntilDoneAsync(Func<Task> step)
    {
        while (true)
        {
            try
            {
                await step();
                return;
            }
            catch (Exception e) when (e is Amazon.DynamoDBv2.AmazonDynamoDBException or Amazon.Runtime.AmazonClientException or HttpRequestException or IOException)
            {
                if (e is Amazon.DynamoDBv2.Model.ResourceInUseException)
                {
                    return;
                }
            }
        }
    }

    /// <summary>One application process after the other, each killed after a while.</summary>
    private async Task ProcessAsync(int place, bool knowsLater)
    {
        for (var life = 0; left > 0; life++)
        {
            var process = new SimulatedProcess(time, $"app-{place}-{life}");
            process.Clock.WallOffset = TimeSpan.FromSeconds(random.Next(-20, 20));
            if (knowsLater)
            {
                await UntilDoneAsync(() => shop.SaveSchemaAsync(shop.LaterTables));
            }

            DynamoDbBillingStore store;
            try
            {
                SimulatedDynamoDb.Caller.Value = null;
                store = await shop.OpenAsync(process, random);
            }
            catch (MigrationException)
            {
                continue;
            }
            finally
            {
                if (knowsLater)
                {
                    await UntilDoneAsync(() => shop.SaveSchemaAsync(shop.Tables));
                }
            }

            var ended = new TaskCompletionSource();
            var working = Task.WhenAll(Enumerable.Range(0, options.Clients).Select(_ => ClientAsync(store, process, knowsLater)));
            if (options.Kills)
            {
                time.Schedule(TimeSpan.FromSeconds(random.Next(3, 60)), () =>
                {
                    process.Kill();
                    ended.TrySetResult();
                });
                if (random.Next(3) == 0)
                {
                    time.Schedule(TimeSpan.FromSeconds(random.Next(1, 20)), () => process.Freeze(TimeSpan.FromSeconds(random.Next(1, 50))));
                    time.Schedule(TimeSpan.FromSeconds(random.Next(1, 20)), () => process.Clock.WallOffset += TimeSpan.FromSeconds(random.Next(-3_600, 20_000)));
                }
                else if (random.Next(6) == 0)
                {
                    // A machine that is suspended: its timers and its monotonic clock stand still, longer than DynamoDB keeps a token.
                    time.Schedule(TimeSpan.FromSeconds(random.Next(1, 20)), () =>
                    {
                        process.Freeze(Suspended);
                        process.Clock.StandStill(Suspended);
                    });
                }
            }

            await Task.WhenAny(working, ended.Task);
            if (!process.IsDead)
            {
                // It may be killed while it waits for its last calls.
                await Task.WhenAny(store.DisposeAsync().AsTask(), ended.Task);
            }
        }
    }

    private async Task ClientAsync(DynamoDbBillingStore store, SimulatedProcess process, bool knowsLater)
    {
        while (left-- > 0 && !process.IsDead)
        {
            var call = repeatable.Count > 0 && random.Next(10) == 0 ? repeatable[random.Next(repeatable.Count)].Again() : plan.Next(knowsLater);
            if (call.Once is { } once && !repeatable.Contains(once))
            {
                repeatable.Add(once);
            }

            if (options.Skip.Contains(call.Number))
            {
                continue;
            }

            calls.Add(call);
            underWay.Add(call);
            options.Trace?.WriteLine($"{time.GetUtcNow():mm:ss.fff} {process.Name} begins {call}");
            using var cancel = new CancellationTokenSource(random.Next(8) == 0 ? TimeSpan.FromMilliseconds(random.Next(1, 400)) : Timeout.InfiniteTimeSpan, process.Clock);
            SimulatedDynamoDb.Caller.Value = call;
            await call.MakeAsync(store, mirror, cancel.Token);
            underWay.Remove(call);
            options.Trace?.WriteLine($"{time.GetUtcNow():mm:ss.fff} {process.Name} ends {call}: {call.Told} {call.Why}");
        }
    }

    private void Look(Commit commit)
    {
        commits++;
        var caller = commit.Caller as StoreCall;
        foreach (var change in commit.Changes.Where(c => c.Table != shop.Definition.Target.Table && c.Key.Partition.Text.EndsWith("#INTENT", StringComparison.Ordinal)))
        {
            var id = change.Key.Sort!.Text;
            if (change.Before is null && caller is not null)
            {
                intents[id] = caller;
                caller.Intent ??= id;
            }

            caller = intents.GetValueOrDefault(id) ?? caller;
        }

        var deltas = commit.Changes.Where(c => c.Table == shop.Definition.Target.Table).Select(Delta).ToList();
        if (deltas.Count == 0)
        {
            return;
        }

        deltas = Joined(deltas);
        options.Trace?.WriteLine($"{time.GetUtcNow():mm:ss.fff}   commit {commit.Sequence} of {caller?.Number}: {string.Join("; ", deltas.Select(d => $"{d.Model.Entity} {d.Model.Describe((d.After ?? d.Before)!)}{(d.Before is null ? "+" : d.After is null ? "-" : "~")}"))}");
        var inParts = caller is null || caller.Intent is not null || dynamoDb.Items(shop.Definition.Target.ControlTableName).Keys.Any(k => k.Partition.Text.EndsWith("#INTENT", StringComparison.Ordinal));
        if (caller is not null)
        {
            caller.Effects += caller.Intent is null || caller.Effects == 0 ? 1 : 0;
            foreach (var wrong in Kept(caller, deltas).Concat(caller.Check(mirror, [.. deltas.Where(d => d.Model.Entity != BillingEntity.Call)])))
            {
                Wrong($"call {caller}: {wrong}");
            }
        }

        foreach (var wrong in mirror.Apply(deltas, inParts))
        {
            Wrong($"commit {commit.Sequence} of call {caller}: {wrong}");
        }

        foreach (var call in underWay)
        {
            call.Watch(mirror);
        }
    }

    /// <summary>The row of a call is written with the first that it does, and with that alone.</summary>
    private static IEnumerable<string> Kept(StoreCall caller, List<RowDelta> deltas)
    {
        var kept = deltas.Where(d => d.Model.Entity == BillingEntity.Call).ToArray();
        if (kept.Length != (caller.Once is not null && caller.Effects == 1 && !caller.IsKept ? 1 : 0)
            || kept.Any(d => d is not { Before: null, After: { } row } || new BillingRecord(d.Model, row).Text("call_key") != caller.Once!.Key))
        {
            yield return $"wrote {kept.Length} rows of calls";
        }

        caller.IsKept |= kept.Length > 0;
    }

    private RowDelta Delta(ItemChange change)
    {
        var entity = mirror.Model[(change.After ?? change.Before)!["entity"].Text];
        return new RowDelta(entity, change.Before is null ? null : SimulatedShop.RowOf(entity, change.Before), change.After is null ? null : SimulatedShop.RowOf(entity, change.After), change.Before, change.After);
    }

    /// <summary>A row whose item moved is one that changed.</summary>
    private static List<RowDelta> Joined(List<RowDelta> deltas) =>
    [
        .. deltas.GroupBy(d => (d.Model, d.Model.Describe((d.After ?? d.Before)!))).Select(g => g.Count() == 1 ? g.First() : new RowDelta(
            g.Key.Model, g.First(d => d.Before is not null).Before, g.First(d => d.After is not null).After, g.First(d => d.Before is not null).BeforeItem, g.First(d => d.After is not null).AfterItem)),
    ];

    /// <summary>Somebody who comes later finishes what is left, by himself and in a few minutes, whatever the clocks of those who left it.</summary>
    private async Task FinishAsync()
    {
        var process = new SimulatedProcess(time, "finisher");
        for (var attempt = 0; attempt < 50; attempt++)
        {
            try
            {
                await using var store = await shop.OpenAsync(process, random);
                await Task.Delay(Quiet, time);
                return;
            }
            catch (MigrationException e)
            {
                options.Trace?.WriteLine($"finisher: {e.Message}");
            }
        }

        Wrong("no store could be opened in 50 attempts");
    }

    private void LookAtEnd()
    {
        foreach (var call in calls)
        {
            foreach (var wrong in call.CheckEnd().Concat(call is InsertCall insert ? insert.NotFound() : []))
            {
                Wrong($"call {call}: {wrong}");
            }
        }

        var kept = mirror.Of(BillingEntity.Call).Select(r => new BillingRecord(mirror.Model[BillingEntity.Call], r).Text("call_key")).ToHashSet();
        foreach (var once in repeatable)
        {
            foreach (var wrong in once.CheckEnd(kept.Contains(once.Key)))
            {
                Wrong($"call {once}: {wrong}");
            }
        }

        foreach (var orphan in mirror.Orphans())
        {
            Wrong($"at the end: {orphan}");
        }

        foreach (var (key, item) in dynamoDb.Items(shop.Definition.Target.ControlTableName))
        {
            if (key.Partition.Text.EndsWith("#INTENT", StringComparison.Ordinal))
            {
                Wrong($"at the end: an intent of call {intents.GetValueOrDefault(key.Sort!.Text)} is left: {(item.TryGetValue("reason", out var reason) ? reason.Text : "open")}");
            }
            else if (item.ContainsKey(PartitionVersions.Holder) && key.Sort!.Text == "VERSION")
            {
                Wrong($"at the end: a partition is held by {intents.GetValueOrDefault(item[PartitionVersions.Holder].Text)}");
            }
        }
    }
}
