using System.Diagnostics;
using System.Globalization;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary><c>torture store</c>: trials on a simulated DynamoDB, one seed after the other.</summary>
internal static class StoreCommand
{
    /// <exception cref="ArgumentException">An option is unknown or has no value.</exception>
    public static async Task<int> RunAsync(string[] args)
    {
        string? server = null;
        var options = new StoreTortureOptions { Seed = Random.Shared.Next(1, 1_000_000) };
        double? minutes = null;
        var (trials, mostTrials) = (1, 0);
        for (var i = 0; i < args.Length; i += 2)
        {
            if (args[i] == "--trace")
            {
                options = options with { Trace = Console.Out };
                i--;
                continue;
            }

            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value.");
            switch (args[i])
            {
                case "--seed": options = options with { Seed = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--calls": options = options with { Calls = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--server":
                    server = value is "dynamodb" or "mysql" or "mariadb" ? value : throw new ArgumentException($"--server is dynamodb, mysql or mariadb, not {value}.");
                    break;
                case "--processes": options = options with { Processes = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--clients": options = options with { Clients = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--large": options = options with { LargeAccount = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--calm": options = options with { Kills = !bool.Parse(value) }; break;
                case "--skip": options = options with { Skip = [.. value.Split(',').Select(n => int.Parse(n, CultureInfo.InvariantCulture))] }; break;
                case "--without": options = options with { Without = [.. value.Split(',')] }; break;
                case "--shrink": mostTrials = int.Parse(value, CultureInfo.InvariantCulture); break;
                case "--trials": trials = int.Parse(value, CultureInfo.InvariantCulture); break;
                case "--minutes": minutes = double.Parse(value, CultureInfo.InvariantCulture); break;
                default: throw new ArgumentException($"There is no option {args[i]}.");
            }
        }

        var began = Stopwatch.GetTimestamp();
        int done = 0, calls = 0, violations = 0;
        long requests = 0;
        var told = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (var seed = options.Seed; minutes is { } limit ? Stopwatch.GetElapsedTime(began).TotalMinutes < limit : done < trials; seed++, done++)
        {
            var result = server is null ? StoreTorture.Run(options with { Seed = seed }) : await OnServerAsync(server, seed, options.Calls);
            (calls, requests, violations) = (calls + result.Calls, requests + result.Requests, violations + result.Violations.Count);
            foreach (var (what, count) in result.Told)
            {
                told[what] = told.GetValueOrDefault(what) + count;
            }

            if (result.Violations.Count > 0 || (done + 1) % 20 == 0)
            {
                Console.WriteLine($"seed {seed}: {calls} calls so far, {result.Violations.Count} violations");
            }

            foreach (var violation in result.Violations)
            {
                Console.WriteLine($"seed {seed}: {violation}");
            }

            if (mostTrials > 0 && server is null && result.Violations.Count > 0)
            {
                var smallest = StoreShrink.Run(options with { Seed = seed, Trace = null }, result.Violations, mostTrials, Console.Out);
                Console.WriteLine($"the smallest: torture store {smallest.Arguments}");
                StoreTorture.Run(smallest with { Trace = Console.Out });
                return 1;
            }
        }

        foreach (var (what, count) in told)
        {
            Console.WriteLine($"  {count,8} {what}");
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"torture store: seeds {options.Seed} to {options.Seed + done - 1}, {calls} calls, {requests} requests in {seconds:0} s, {violations} violations"));
        return violations == 0 ? 0 : 1;
    }

    private static async Task<StoreTortureResult> OnServerAsync(string name, int seed, int calls)
    {
        await using SqlServerProcess server = name == "mariadb" ? await MariaDbServer.StartAsync("--max-connections=400") : await MySqlServer.StartAsync("--max-connections=400");
        await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
        return await StoreServerTrial.RunAsync(server, dynamoDb.Endpoint, name == "dynamodb", seed, calls, CancellationToken.None);
    }
}
