using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Store;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>
/// One process of an application: eight clients that read, post charges, run bills and pay them through one routed store, as fast as it goes. Each write is told before it is sent (<c>&gt;</c>), and what
/// became of it: <c>+</c> acknowledged, <c>?</c> its outcome is unknown, <c>!</c> it failed.
/// </summary>
internal static class SwitchClient
{
    private const int Clients = 8;
    private static readonly TimeSpan MostWait = TimeSpan.FromMinutes(3);

    /// <param name="args">Endpoint, table, and <c>process;seed;account,account,…;milliseconds between calls</c>. Lines of the input name the accounts from then on.</param>
    public static async Task<int> RunAsync(string[] args)
    {
        var source = Environment.GetEnvironmentVariable(Worker.SourceVariable)!;
        var parts = args[2].Split(';');
        var process = parts[0];
        var seed = int.Parse(parts[1], CultureInfo.InvariantCulture);
        var accounts = new AccountsInUse(parts[2]);
        var pause = TimeSpan.FromMilliseconds(double.Parse(parts[3], CultureInfo.InvariantCulture));
        await using var migration = SampleMigration.Create(source, new Uri(args[0]));
        var definition = migration.Definition with { Target = migration.Definition.Target with { Table = args[1] } };
        var options = new RoutingOptions { MostWait = MostWait };
        await using var store = await OpenAsync(definition, migration.Credential, options, new JumpingTime(seed));
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, Clients).Select(i => new Client(store, accounts, $"{process}.{i}", seed + i, pause, stop.Token).RunAsync()).ToArray();
        Worker.Say("started");
        while (await Console.In.ReadLineAsync(CancellationToken.None) is { } line)
        {
            accounts.Change(line);
        }

        await stop.CancelAsync();
        await Task.WhenAll(clients);
        return 0;
    }

    /// <summary>The network may be cut at that moment: an application would try again, too.</summary>
    private static async Task<RoutedBillingStore> OpenAsync(Definition.MigrationDefinition definition, SourceCredential credential, RoutingOptions options, TimeProvider time)
    {
        while (true)
        {
            try
            {
                return await RoutedBillingStore.OpenAsync(definition, credential, SampleMigration.Access, options, time, CancellationToken.None);
            }
            catch (MigrationException e) when (e.Kind == MigrationErrorKind.Unreachable)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100));
            }
        }
    }

    /// <summary>The accounts that the clients work on at present.</summary>
    private sealed class AccountsInUse(string list)
    {
        private volatile long[] ids = Parse(list);

        public void Change(string list) => ids = Parse(list);

        public long Choose(Random random)
        {
            var all = ids;
            return all[random.Next(all.Length)];
        }

        private static long[] Parse(string list) => [.. list.Split(',').Select(a => long.Parse(a, CultureInfo.InvariantCulture))];
    }

    private sealed class Client(IBillingStore store, AccountsInUse accounts, string name, int seed, TimeSpan pause, CancellationToken stop)
    {
        private static readonly DateTime At = new(2026, 3, 4, 5, 6, 7);

        private readonly Random random = new(seed);
        private readonly Queue<object> bills = new();
        private int number;

        public async Task RunAsync()
        {
            await Task.Yield();
            var longest = TimeSpan.Zero;
            while (!stop.IsCancellationRequested)
            {
                var began = TimeProvider.System.GetTimestamp();
                await CallAsync(accounts.Choose(random), string.Create(CultureInfo.InvariantCulture, $"{name}-{number++}"));
                var took = TimeProvider.System.GetElapsedTime(began);
                if (took > longest)
                {
                    longest = took;
                    Worker.Say(string.Create(CultureInfo.InvariantCulture, $"longest {took.TotalMilliseconds:0}"));
                }

                await Task.Delay(pause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private async Task CallAsync(long account, string id)
        {
            try
            {
                switch (random.Next(10))
                {
                    case < 6:
                        Worker.Say(string.Create(CultureInfo.InvariantCulture, $"> charge {id} {account}"));
                        await store.PostChargeAsync(Charge(account, id));
                        Worker.Say($"+ charge {id}");
                        break;
                    case < 8:
                        await store.GetAsync(BillingEntity.Account, "account_id", account);
                        await store.PageAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account), 10);
                        Worker.Say("r");
                        break;
                    case 8:
                        Worker.Say($"> bill {id}");
                        if (await store.RunBillAsync(account, Bill(id)) is { } bill)
                        {
                            bills.Enqueue(bill["bill_id"]!);
                            Worker.Say($"+ bill {id}");
                        }

                        break;
                    default:
                        if (bills.TryDequeue(out var paid))
                        {
                            Worker.Say($"> pay {id} {paid}");
                            await store.PayAsync(paid, 1, At);
                            Worker.Say($"+ pay {id} {paid}");
                        }

                        break;
                }
            }
            catch (MigrationException e) when (e.ErrorId == "WriteOutcomeUnknown")
            {
                Worker.Say($"? {id}");
            }
            catch (Exception e)
            {
                Worker.Say($"! {id} {e.GetType().Name} {(e as MigrationException)?.ErrorId} {e.Message.ReplaceLineEndings(" ")} {e.InnerException?.Message.ReplaceLineEndings(" ")}");
            }
        }

        private static ImmutableDictionary<string, object?> Charge(long account, string id) => Values(
            ("account_id", account), ("charge_type", "USAGE"), ("description", id), ("amount", 3m), ("tax_amount", 0m), ("charged_at", At));

        private static ImmutableDictionary<string, object?> Bill(string id) => Values(
            ("bill_number", id), ("status", "ISSUED"), ("period_start", new DateOnly(2026, 1, 1)), ("period_end", new DateOnly(2026, 1, 31)), ("bill_date", new DateOnly(2026, 2, 1)), ("due_date", new DateOnly(2026, 2, 15)));

        private static ImmutableDictionary<string, object?> Values(params (string Name, object? Value)[] values) => values.ToImmutableDictionary(v => v.Name, v => v.Value);
    }
}
