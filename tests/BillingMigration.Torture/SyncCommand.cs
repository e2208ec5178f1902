using System.Globalization;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary><c>torture sync</c>: the trial on each of the servers asked for, one after the other.</summary>
public static class SyncCommand
{
    private static readonly string[] All = ["mysql", "mysql-native-fk", "mariadb"];

    /// <exception cref="ArgumentException">An option is unknown or has no value.</exception>
    public static async Task<int> RunAsync(string[] args)
    {
        var (options, servers) = Parse(args);
        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            stop.Cancel();
        };
        Console.WriteLine($"seed {options.Seed}");
        long transactions = 0;
        int kills = 0, cuts = 0, differences = 0;
        try
        {
            await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
            foreach (var name in servers)
            {
                await using var server = await StartAsync(name);
                var result = await SyncTorture.RunAsync(server, dynamoDb.Endpoint, options, Console.Out, stop.Token);
                Console.WriteLine(FormattableString.Invariant(
                    $"{name}: {result.Transactions} transactions, {result.Kills} kills, {result.Cuts} cuts, {result.Differences.Count} differences, {result.Duration.TotalSeconds:0} s"));
                foreach (var difference in result.Differences.Take(20))
                {
                    Console.WriteLine($"  {difference}");
                }

                (transactions, kills, cuts, differences) = (transactions + result.Transactions, kills + result.Kills, cuts + result.Cuts, differences + result.Differences.Count);
            }
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Torture: interrupted.");
            return 130;
        }

        Console.WriteLine(FormattableString.Invariant($"torture sync: {transactions} transactions, {kills} kills, {cuts} cuts, {differences} differences"));
        return differences == 0 && transactions > 0 ? 0 : 1;
    }

    /// <summary>A server of the trial's own, with everything on that the binlog can have.</summary>
    public static async Task<SqlServerProcess> StartAsync(string name) => name switch
    {
        "mysql" => await MySqlServer.StartAsync("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2"),
        "mysql-native-fk" => await MySqlServer.StartAsync("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2", "--innodb-native-foreign-keys=ON"),
        _ => await MariaDbServer.StartAsync("--sync-binlog=0", "--binlog-row-metadata=FULL", "--log-bin-compress=ON", "--log-bin-compress-min-len=256"),
    };

    private static (SyncTortureOptions Options, string[] Servers) Parse(string[] args)
    {
        var options = new SyncTortureOptions { Seed = Random.Shared.Next(1, 1_000_000) };
        var servers = All;
        for (var i = 0; i < args.Length; i += 2)
        {
            if (args[i] == "--failover")
            {
                (options, servers, i) = (options with { Failover = true }, ["mysql"], i - 1);
                continue;
            }

            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value.");
            switch (args[i])
            {
                case "--minutes": options = options with { Duration = TimeSpan.FromMinutes(double.Parse(value, CultureInfo.InvariantCulture)) }; break;
                case "--seed": options = options with { Seed = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--rows": options = options with { Rows = long.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--life": options = options with { LongestLife = TimeSpan.FromSeconds(double.Parse(value, CultureInfo.InvariantCulture)) }; break;
                case "--rate": options = options with { TransactionsPerSecond = double.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--server": servers = value == "all" ? All : All.Contains(value) ? [value] : throw new ArgumentException($"--server is {string.Join(", ", All)} or all, not {value}."); break;
                default: throw new ArgumentException($"There is no option {args[i]}.");
            }
        }

        return (options, servers);
    }
}
