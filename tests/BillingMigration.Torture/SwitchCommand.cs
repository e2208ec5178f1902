using System.Globalization;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary><c>torture switch</c>: the trial on each of the servers asked for, one after the other.</summary>
internal static class SwitchCommand
{
    /// <exception cref="ArgumentException">An option is unknown or has no value.</exception>
    public static async Task<int> RunAsync(string[] args)
    {
        var options = new SwitchTortureOptions { Seed = Random.Shared.Next(1, 1_000_000) };
        string[] servers = ["mysql", "mariadb"];
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value.");
            switch (args[i])
            {
                case "--rounds": options = options with { Rounds = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--pause": options = options with { Pause = TimeSpan.FromMilliseconds(double.Parse(value, CultureInfo.InvariantCulture)) }; break;
                case "--seed": options = options with { Seed = int.Parse(value, CultureInfo.InvariantCulture) }; break;
                case "--server":
                    servers = value switch
                    {
                        "mysql" or "mariadb" => [value],
                        "both" => servers,
                        _ => throw new ArgumentException($"--server is mysql, mariadb or both, not {value}."),
                    };
                    break;
                default: throw new ArgumentException($"There is no option {args[i]}.");
            }
        }

        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            stop.Cancel();
        };
        Console.WriteLine($"seed {options.Seed}");
        int switches = 0, failed = 0, lost = 0, differences = 0, longest = 0;
        long writes = 0;
        try
        {
            foreach (var name in servers)
            {
                await using var dynamoDb = await DynamoDbLocalServer.StartAsync();
                await using var server = await SyncCommand.StartAsync(name);
                var result = await SwitchTorture.RunAsync(server, dynamoDb.Endpoint, options, Console.Out, stop.Token);
                Console.WriteLine(FormattableString.Invariant(
                    $"{name}: {result.Switches} switches, {result.Writes} writes, {result.Failed.Count} failed, {result.Unknown} unknown, {result.Lost.Count} lost, {result.Differences.Count} differences, {result.Kills} kills, {result.Freezes} freezes, {result.Cuts} cuts, longest call {result.LongestMs} ms"));
                foreach (var line in result.Failed.Take(20).Concat(result.Lost.Take(20)).Concat(result.Differences.Take(20)))
                {
                    Console.WriteLine($"  {line}");
                }

                (switches, writes, failed) = (switches + result.Switches, writes + result.Writes, failed + result.Failed.Count);
                (lost, differences, longest) = (lost + result.Lost.Count, differences + result.Differences.Count, Math.Max(longest, result.LongestMs));
            }
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Torture: interrupted.");
            return 130;
        }

        Console.WriteLine(FormattableString.Invariant($"torture switch: {switches} switches, {writes} writes, {failed} failed calls, {lost} lost, {differences} differences, longest stall {longest} ms"));
        return failed + lost + differences == 0 && switches > 0 ? 0 : 1;
    }
}
