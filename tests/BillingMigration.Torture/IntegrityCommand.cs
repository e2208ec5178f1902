using System.Globalization;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary><c>torture integrity</c>: faults on a quiet source, then under traffic where the source logs all that it changes.</summary>
internal static class IntegrityCommand
{
    public static async Task<int> RunAsync(string[] args)
    {
        var (rows, faults, runs, seed, servers) = (1_000_000L, 1_000, 10, Random.Shared.Next(1, 1_000_000), new[] { false, true });
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value.");
            switch (args[i])
            {
                case "--rows": rows = long.Parse(value, CultureInfo.InvariantCulture); break;
                case "--faults": faults = int.Parse(value, CultureInfo.InvariantCulture); break;
                case "--runs": runs = int.Parse(value, CultureInfo.InvariantCulture); break;
                case "--seed": seed = int.Parse(value, CultureInfo.InvariantCulture); break;
                case "--server":
                    servers = value switch
                    {
                        "mysql" => [false],
                        "mariadb" => [true],
                        "both" => [false, true],
                        _ => throw new ArgumentException($"--server is mysql, mariadb or both, not {value}."),
                    };
                    break;
                default: throw new ArgumentException($"There is no option {args[i]}.");
            }
        }

        Console.WriteLine($"seed {seed}");
        await using var started = new TestServers();
        var results = new List<IntegrityTortureResult>();
        foreach (var mariaDb in servers)
        {
            var name = mariaDb ? "mariadb" : "mysql";
            // DynamoDB Local slows down with all that it ever held.
            await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
            await using var torture = await IntegrityTorture.CreateAsync(await started.SourceAsync(mariaDb), dynamoDb.Endpoint, rows, seed, Console.Out, CancellationToken.None);
            results.Add(await torture.CorruptAsync(faults, CancellationToken.None));
            Console.WriteLine($"{name}, quiet: {results[^1]}");
            if (!mariaDb && runs > 0)
            {
                results.Add(await torture.UnderTrafficAsync(runs, CancellationToken.None));
                Console.WriteLine($"{name}, under traffic: {results[^1]}");
            }
        }

        Console.WriteLine(
            $"torture integrity: {results.Sum(r => r.Planted)} planted, {results.Sum(r => r.Missed)} missed, {results.Sum(r => r.Invented)} invented, {results.Sum(r => r.Repaired)} repaired, {results.Sum(r => r.Left)} left");
        return results.TrueForAll(r => r.Held) ? 0 : 1;
    }
}
