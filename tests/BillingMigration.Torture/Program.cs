using System.Globalization;
using BillingMigration;
using BillingMigration.Testing;
using BillingMigration.Torture;

const string usage = """
    Torture export [--kills 50] [--freezes 1] [--outages 0] [--rows 200000] [--seed N] [--server mysql|mariadb|both]
      Kills an export with SIGKILL at so many random moments (per server), freezes others with SIGSTOP past their lease, holds requests on the way until they are late, cuts the way to the
      table for two minutes at a time, lets it end, and compares the table with the source item for item.
    Torture integrity [--rows 1000000] [--faults 1000] [--runs 10] [--seed N] [--server mysql|mariadb|both]
      Plants faults of every kind, compares, repairs and compares again; then so many comparisons while 500 changes a second are made and followed.
    Torture sync [--minutes 10] [--seed N] [--server mysql|mysql-native-fk|mariadb|all] [--rows 20000] [--rate 200] [--life 10]
      Eight writers change everything while export and sync run, are killed every few seconds, and the network is cut at random; then compares.
      mysql logs what foreign keys change; mysql-native-fk and mariadb do not. Without --server: all of them.
    Torture store [--minutes M | --trials 1] [--seed N] [--calls 400] [--trace] [--shrink TRIALS] [--server dynamodb|mysql|mariadb]
      Application processes of two schema versions do everything that the store does, on a DynamoDB and a network that are simulated under one seed: indexes behind, conflicts, throttling, requests lost, late and
      repeated, processes killed and frozen, clocks that jump. Each commit is held against MySQL's keys and foreign keys and against what its call asked for; the same seed gives the same trial.
      --shrink looks for a smaller trial that finds the same. With --server: the same calls at once on a real server behind a proxy that loses requests and answers.
    Torture write-schema FILE
      Writes the sample's tables as MySQL describes them: what the store's trial begins from.
    Torture switch [--rounds 100] [--seed N] [--server mysql|mariadb|both]
      32 clients in four processes read, post, bill and pay through routed stores while their backend is switched to and fro. Coordinators, followers and clients are killed, clients are frozen past
      their lease, clocks jump, networks are cut. In the end every acknowledged write is there once, and both sides are equal.
    """;

switch (args)
{
    case ["export-worker", ..]: return await ExportWorker.RunAsync(args[1..]);
    case ["sync-worker", ..]: return await SyncWorker.RunAsync(args[1..]);
    case ["integrity-worker", ..]: return await IntegrityWorker.RunAsync(args[1..]);
    case ["switch-client", ..]: return await SwitchClient.RunAsync(args[1..]);
    case ["switch-worker", ..]: return await SwitchWorker.RunAsync(args[1..]);
}

try
{
    return args switch
    {
        ["export", ..] => await ExportAsync(Arguments.Parse(args[1..])),
        ["integrity", ..] => await IntegrityCommand.RunAsync(args[1..]),
        ["write-schema", var to] => await WriteSchemaAsync(to),
        ["store", ..] => await StoreCommand.RunAsync(args[1..]),
        ["switch", ..] => await SwitchCommand.RunAsync(args[1..]),
        ["sync", ..] => await SyncCommand.RunAsync(args[1..]),
        _ => Usage(),
    };
}
catch (Exception e) when (e is FormatException or ArgumentException or OverflowException)
{
    Console.Error.WriteLine($"Torture: {e.Message}");
    return Usage();
}

static async Task<int> WriteSchemaAsync(string to)
{
    await using var servers = new TestServers();
    await using var database = await (await servers.SourceAsync(false)).CreateDatabaseAsync();
    await SampleBilling.SampleDatabase.CreateAsync(database.ConnectionString, 100, seed: 1);
    await database.ExecuteAsync(BillingMigration.Store.CallTable.Sql(new()));
    await using var connection = await database.OpenAsync();
    var definition = SimulatedShop.WithCalls(SampleMigration.Create(database.ConnectionString, new Uri("http://127.0.0.1:1")).Definition);
    var tables = await BillingMigration.Source.SchemaInspector.InspectAsync(connection, definition.Source.Database, BillingMigration.Model.BillingModel.TablesOf(definition), CancellationToken.None);
    File.WriteAllText(to, SimulatedShop.Json(tables.Values));
    return 0;
}

static int Usage()
{
    Console.Error.WriteLine(usage);
    return 2;
}

static async Task<int> ExportAsync(Arguments arguments)
{
    using var stop = new CancellationTokenSource();
    Console.CancelKeyPress += (_, e) =>
    {
        e.Cancel = true;
        stop.Cancel();
    };
    Console.WriteLine($"seed {arguments.Seed}");
    int kills = 0, wanted = 0, differences = 0;
    try
    {
        await using var servers = new TestServers();
        var dynamoDb = await servers.DynamoDbAsync();
        foreach (var mariaDb in arguments.MariaDb)
        {
            var options = new ExportTortureOptions { Kills = arguments.Kills, Freezes = arguments.Freezes, Outages = arguments.Outages, Rows = arguments.Rows, Seed = arguments.Seed };
            var result = await ExportTorture.RunAsync(await servers.SourceAsync(mariaDb), dynamoDb.Endpoint, options, Console.Out, stop.Token);
            Console.WriteLine($"{(mariaDb ? "mariadb" : "mysql")}: {result}");
            foreach (var difference in result.Differences.Take(20))
            {
                Console.WriteLine($"  {difference}");
            }

            (kills, wanted, differences) = (kills + result.Kills, wanted + options.Kills, differences + result.Differences.Count);
        }
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine("Torture: interrupted.");
        return 130;
    }

    Console.WriteLine($"torture export: {kills} kills, {differences} differences");
    return kills >= wanted && differences == 0 ? 0 : 1;
}

internal sealed record Arguments(int Kills, int Freezes, int Outages, long Rows, int Seed, bool[] MariaDb)
{
    public static Arguments Parse(string[] args)
    {
        var arguments = new Arguments(50, 1, 0, 200_000, Random.Shared.Next(1, 1_000_000), [false, true]);
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value.");
            arguments = args[i] switch
            {
                "--kills" => arguments with { Kills = int.Parse(value, CultureInfo.InvariantCulture) },
                "--freezes" => arguments with { Freezes = int.Parse(value, CultureInfo.InvariantCulture) },
                "--outages" => arguments with { Outages = int.Parse(value, CultureInfo.InvariantCulture) },
                "--rows" => arguments with { Rows = long.Parse(value, CultureInfo.InvariantCulture) },
                "--seed" => arguments with { Seed = int.Parse(value, CultureInfo.InvariantCulture) },
                "--server" => arguments with
                {
                    MariaDb = value switch
                    {
                        "mysql" => [false],
                        "mariadb" => [true],
                        "both" => [false, true],
                        _ => throw new ArgumentException($"--server is mysql, mariadb or both, not {value}."),
                    },
                },
                _ => throw new ArgumentException($"There is no option {args[i]}."),
            };
        }

        return arguments;
    }
}
