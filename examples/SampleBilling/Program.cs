using System.Globalization;
using System.Net;
using MySqlConnector;
using SampleBilling;

const string usage = """
    Creates and fills the sample billing database, or keeps changing it.
      SampleBilling [--host 127.0.0.1] [--port 33306] [--user root] [--database billing] [--rows 200000] [--seed 42] [--replace]
      SampleBilling --write WRITERS --seconds SECONDS [--host ...]
      SampleBilling --count [--host ...]
    --rows is the total over all six tables; the same rows come for the same seed. The password, if there is one, comes from MYSQL_PWD.
    """;

try
{
    var options = SampleOptions.Parse(args);
    if (options is null)
    {
        Console.WriteLine(usage);
        return 0;
    }

    using var stop = new CancellationTokenSource();
    Console.CancelKeyPress += (_, e) =>
    {
        e.Cancel = true;
        stop.Cancel();
    };
    return options.Count ? await CountAsync(options, stop.Token)
        : options.Writers > 0 ? await WriteAsync(options, stop)
        : await CreateAsync(options, stop.Token);
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("SampleBilling: interrupted; run it again with --replace.");
    return 130;
}
catch (Exception e) when (e is SampleException or ArgumentException or FormatException or OverflowException)
{
    Console.Error.WriteLine($"SampleBilling: {e.Message}");
    return 2;
}
catch (MySqlException e)
{
    Console.Error.WriteLine($"SampleBilling: the server answers: {e.Message}");
    return 1;
}

static async Task<int> CreateAsync(SampleOptions options, CancellationToken cancellationToken)
{
    var result = await SampleDatabase.CreateAsync(options.ConnectionString, options.Rows, options.Seed, options.Replace, cancellationToken: cancellationToken);
    foreach (var (table, rows) in result.Tables)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{table,-20}{rows,12:N0} rows"));
    }

    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{"all",-20}{result.Rows,12:N0} rows in {result.Duration.TotalSeconds:N1} s, {result.RowsPerSecond:N0} rows/s"));
    return 0;
}

static async Task<int> WriteAsync(SampleOptions options, CancellationTokenSource stop)
{
    stop.CancelAfter(TimeSpan.FromSeconds(options.Seconds));
    var counts = await SampleDatabase.RunWritersAsync(options.ConnectionString, options.Writers, options.Seed, stop.Token);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{counts.Transactions:N0} transactions: {counts.Inserts:N0} rows inserted, {counts.Updates:N0} updated, {counts.Deletes:N0} deleted; {counts.Retries:N0} refused and rolled back"));
    return 0;
}

static async Task<int> CountAsync(SampleOptions options, CancellationToken cancellationToken)
{
    await using var connection = new MySqlConnection(options.ConnectionString);
    await connection.OpenAsync(cancellationToken);
    foreach (var table in SampleDatabase.Tables)
    {
        await using var command = new MySqlCommand($"SELECT COUNT(*) FROM {table}", connection);
        Console.WriteLine($"{table} {Convert.ToString(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture)}");
    }

    return 0;
}

/// <summary>The command line.</summary>
internal sealed record SampleOptions
{
    public string Host { get; private init; } = "127.0.0.1";

    public uint Port { get; private init; } = 33306;

    public string User { get; private init; } = "root";

    public string Database { get; private init; } = "billing";

    public long Rows { get; private init; } = 200_000;

    public int Seed { get; private init; } = 42;

    public bool Replace { get; private init; }

    public bool Count { get; private init; }

    public int Writers { get; private init; }

    public double Seconds { get; private init; } = 10;

    public string ConnectionString => new MySqlConnectionStringBuilder
    {
        Server = Host,
        Port = Port,
        UserID = User,
        Password = Environment.GetEnvironmentVariable("MYSQL_PWD") ?? "",
        Database = Database,
        // Sample data, but still: in the clear on this machine only.
        SslMode = Host == "localhost" || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address)) ? MySqlSslMode.None : MySqlSslMode.Required,
        AllowPublicKeyRetrieval = true,
    }.ConnectionString;

    /// <summary>Null when help is asked for.</summary>
    public static SampleOptions? Parse(string[] args)
    {
        var options = new SampleOptions();
        for (var i = 0; i < args.Length; i++)
        {
            var name = args[i];
            switch (name)
            {
                case "--help" or "-h":
                    return null;
                case "--count":
                    options = options with { Count = true };
                    break;
                case "--replace":
                    options = options with { Replace = true };
                    break;
                default:
                    var value = ++i < args.Length ? args[i] : throw new ArgumentException($"{name} is not an option, or its value is missing; see --help.");
                    options = options.With(name, value);
                    break;
            }
        }

        return options.Rows is >= SampleData.FewestRows and <= SampleData.MostRows
            ? options
            : throw new ArgumentException($"--rows {options.Rows} is out of range: {SampleData.FewestRows} to {SampleData.MostRows}.");
    }

    private SampleOptions With(string name, string value)
    {
        try
        {
            return name switch
            {
                "--host" => this with { Host = value },
                "--port" => this with { Port = ushort.Parse(value, CultureInfo.InvariantCulture) },
                "--user" => this with { User = value },
                "--database" => this with { Database = value },
                "--rows" => this with { Rows = long.Parse(value, CultureInfo.InvariantCulture) },
                "--seed" => this with { Seed = int.Parse(value, CultureInfo.InvariantCulture) },
                "--write" => this with { Writers = int.Parse(value, CultureInfo.InvariantCulture) },
                "--seconds" => this with { Seconds = double.Parse(value, CultureInfo.InvariantCulture) },
                _ => throw new ArgumentException($"{name} is not an option; see --help."),
            };
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new ArgumentException($"{name} {value}: not a number that fits; see --help.", e);
        }
    }
}
