using System.Diagnostics;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Torture;

public sealed record SwitchTortureOptions
{
    public int Rounds { get; init; } = 100;

    public int Seed { get; init; } = 1;

    /// <summary>Processes of eight clients each.</summary>
    public int Processes { get; init; } = 4;

    /// <summary>Of each client between two calls: without it they take all that the machine has, and the stream of changes may never catch up.</summary>
    public TimeSpan Pause { get; init; }

    /// <summary>False: nothing is killed, frozen or cut.</summary>
    public bool Trouble { get; init; } = true;
}

public sealed record SwitchTortureResult(int Switches, long Writes, IReadOnlyCollection<string> Failed, IReadOnlyList<string> Lost, IReadOnlyList<string> Differences, int LongestMs, int Kills, int Freezes, int Cuts, long Unknown);

/// <summary>Clients work at full speed while their backend is switched to and fro, and everything that can be killed, frozen and cut off is.</summary>
public static class SwitchTorture
{
    /// <summary>Each round works on others: DynamoDB Local sorts the whole of an account for each page of it, and after some hundred thousand charges on the same few it would do nothing else.</summary>
    private const int AccountsPerRound = 12;

    public static async Task<SwitchTortureResult> RunAsync(SqlServerProcess server, Uri dynamoDb, SwitchTortureOptions options, TextWriter log, CancellationToken cancellationToken)
    {
        var random = new Random(options.Seed);
        await using var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, 120, options.Seed, cancellationToken: cancellationToken);
        await using var migration = SampleMigration.Create(database.ConnectionString, dynamoDb);
        var accounts = await PrepareAsync(database, migration, options.Rounds * AccountsPerRound, cancellationToken);
        var inUse = "";

        await using var appSource = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        await using var appTable = FaultProxy.Start(dynamoDb.Host, dynamoDb.Port, ProxiedProtocol.Http);
        await using var ownSource = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        await using var ownTable = FaultProxy.Start(dynamoDb.Host, dynamoDb.Port, ProxiedProtocol.Http);
        var account = await database.CreateApplicationAsync();
        var application = new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)appSource.Port, UserID = account.UserName, Password = account.Password }.ConnectionString;
        var own = new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)ownSource.Port }.ConnectionString;

        var said = new SwitchLog();
        var started = 0;
        WorkerProcess Client() => new("switch-client", application, appTable.Url, migration.Table, $"p{options.Seed}.{++started};{options.Seed + (started * 100)};{inUse};{options.Pause.TotalMilliseconds}", said.Say);
        var clients = new List<WorkerProcess>();
        var cuts = options.Trouble ? new Cuts([appSource.Faults, appTable.Faults, ownSource.Faults, ownTable.Faults], options.Seed) : null;
        int kills = 0, freezes = 0, switches = 0, shown = 0;
        try
        {
            var clock = Stopwatch.StartNew();
            for (var round = 1; round <= options.Rounds; round++)
            {
                var to = round % 2 == 1 ? RouteState.DynamoDb : RouteState.MySql;
                inUse = string.Join(',', accounts.Skip((round - 1) * AccountsPerRound).Take(AccountsPerRound));
                if (clients.Find(c => c.HasEnded) is { } ended)
                {
                    throw new InvalidOperationException($"A client has ended: {await ended.EndedAsync(cancellationToken)}");
                }

                clients.ForEach(c => c.Tell(inUse));
                clients.AddRange(Enumerable.Range(0, options.Processes - clients.Count).Select(_ => Client()));

                // Applications work for a while, and their changes are followed.
                using (var follower = new WorkerProcess("switch-worker", own, ownTable.Url, migration.Table, to == RouteState.DynamoDb ? "forward" : "reverse"))
                {
                    await Task.Delay(random.Next(500, 3_000), cancellationToken);
                    follower.Kill();
                    await follower.ExitedAsync(cancellationToken);
                    kills++;
                }

                var trouble = options.Trouble ? TroubleAsync(round) : Task.CompletedTask;
                kills += await SwitchAsync(to, round);
                await trouble;
                switches++;
                await log.WriteLineAsync(FormattableString.Invariant($"round {round}: {to} after {clock.Elapsed.TotalSeconds:0} s, {said.Writes} writes, {said.Failed.Count} failed, {said.Unknown} unknown, longest call {said.Longest} ms"));
                foreach (var failure in said.Failed.Skip(shown).Take(3))
                {
                    await log.WriteLineAsync($"    {failure}");
                }

                shown = said.Failed.Count;
            }

            await (cuts?.StopAsync() ?? Task.CompletedTask);
            foreach (var client in clients)
            {
                client.Stop();
                await client.ExitedAsync(cancellationToken);
            }
        }
        finally
        {
            await (cuts?.DisposeAsync() ?? ValueTask.CompletedTask);
            clients.ForEach(c => c.Dispose());
        }

        var lost = await SwitchCheck.RunAsync(database, said, accounts, cancellationToken);
        var comparison = await EqualAsync(migration, cancellationToken);
        await migration.DropAsync();
        return new SwitchTortureResult(switches, said.Writes, said.Failed, lost, comparison, said.Longest, kills, freezes, cuts?.Count ?? 0, said.Unknown);

        async Task TroubleAsync(int round)
        {
            await Task.Delay(random.Next(0, 3_000), cancellationToken);
            var victim = random.Next(clients.Count);
            if (round % 3 == 0)
            {
                clients[victim].Kill();
                await clients[victim].ExitedAsync(cancellationToken);
                clients[victim].Dispose();
                clients[victim] = Client();
                kills++;
            }
            else
            {
                await clients[victim].FreezeAsync(cancellationToken);
                await Task.Delay(random.Next(600, 4_000), cancellationToken);
                await clients[victim].ThawAsync(cancellationToken);
                freezes++;
            }
        }

        // As an operator does it: again until it is through, sometimes back first.
        async Task<int> SwitchAsync(RouteState to, int round)
        {
            var killed = 0;
            for (var attempt = 0; ; attempt++)
            {
                var doubts = options.Trouble && attempt is > 0 and < 3 && random.Next(4) == 0;
                var what = doubts ? (to == RouteState.DynamoDb ? RouteState.MySql : RouteState.DynamoDb) : to;
                var began = Stopwatch.StartNew();
                using var coordinator = new WorkerProcess("switch-worker", own, ownTable.Url, migration.Table, what.ToString());
                var life = options.Trouble && attempt < 3 && random.Next(2) == 0 ? TimeSpan.FromMilliseconds(random.Next(500, 9_000)) : TimeSpan.FromMinutes(5);
                await Task.WhenAny(coordinator.ExitedAsync(cancellationToken), Task.Delay(life, cancellationToken));
                killed += coordinator.HasEnded ? 0 : 1;
                coordinator.Kill();
                var (code, errors) = await coordinator.EndedAsync(cancellationToken);
                await log.WriteLineAsync(FormattableString.Invariant($"  round {round}, {what} ({began.Elapsed.TotalSeconds:0.0} s): {code} after \"{coordinator.LastLine}\" {errors.Split('\n')[0]}"));
                if (code == 0 && what == to)
                {
                    return killed;
                }

                if (code == SwitchWorker.GateClosed)
                {
                    foreach (var help in to == RouteState.DynamoDb ? new[] { "sync", "compare" } : ["reverse-until", "compare"])
                    {
                        using var helper = new WorkerProcess("switch-worker", own, ownTable.Url, migration.Table, help);
                        var (_, trouble) = await helper.EndedAsync(cancellationToken);
                        await log.WriteLineAsync($"    {help}: {helper.LastLine} {trouble.Split('\n')[0]}");
                    }
                }
                else if (code is not (0 or 137 or Worker.TryAgain))
                {
                    throw new InvalidOperationException($"A switch ended with {code} after \"{coordinator.LastLine}\": {errors}");
                }
            }
        }
    }

    /// <summary>Empty billing accounts, both sides equal.</summary>
    private static async Task<long[]> PrepareAsync(TestDatabase database, SampleMigration migration, int accounts, CancellationToken cancellationToken)
    {
        for (var i = 1; i <= accounts; i++)
        {
            await database.ExecuteAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at) SELECT {100_000 + i}, MIN(customer_id), 'TORTURE-{i}', 'EUR', 1, '2026-01-01' FROM customer"));
        }

        await migration.InitializeAsync(stream: true);
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), cancellationToken);
        await StoreSchema.SaveAsync(session, cancellationToken);
        await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), cancellationToken);
        await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);
        return [.. Enumerable.Range(1, accounts).Select(i => 100_000L + i)];
    }

    private static async Task<IReadOnlyList<string>> EqualAsync(SampleMigration migration, CancellationToken cancellationToken)
    {
        await using (var session = await migration.ConnectAsync())
        {
            if ((await session.Control.FindRouteAsync(cancellationToken)).Backend == StoreBackend.MySql)
            {
                await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), cancellationToken);
            }
            else
            {
                await new Reverse.ReverseFollower(session, new Reverse.ReverseOptions()).RunAsync(new Progress<Reverse.ReverseProgress>(), cancellationToken);
            }

            var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);
            return result.Passed ? [] : [$"{result.Outcome}: {result.Reason}", .. result.Differences.Select(d => $"{d.Kind} {d.Entity} {d.Key}: {string.Join(", ", d.Attributes.Select(a => $"{a.Name} {a.Source} / {a.Target}"))}")];
        }
    }
}
