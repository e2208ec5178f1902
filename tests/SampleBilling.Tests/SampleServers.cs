using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using MySqlConnector;
using Xunit;

[assembly: AssemblyFixture(typeof(SampleBilling.Tests.SampleServers))]

namespace SampleBilling.Tests;

/// <summary>A MySQL and a MariaDB: those that <c>./build.sh test</c> started, else own ones from <c>tests/servers</c>, ended with this process.</summary>
public sealed class SampleServers : IAsyncLifetime
{
    private readonly List<Func<Task>> _ends = [];

    public string MySql { get; private set; } = "";

    public string MariaDb { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var mySql = AddressAsync("BILLING_MYSQL", "mysql");
        var mariaDb = AddressAsync("BILLING_MARIADB", "mariadb");
        MySql = await mySql;
        MariaDb = await mariaDb;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var end in _ends)
        {
            await end();
        }
    }

    /// <summary>A connection string to a database of this name that does not exist yet.</summary>
    public async Task<string> NewDatabaseAsync(bool mariaDb, string name, CancellationToken cancellationToken)
    {
        var address = (mariaDb ? MariaDb : MySql).Split(':');
        var builder = new MySqlConnectionStringBuilder
        {
            Server = address[0],
            Port = uint.Parse(address[1], CultureInfo.InvariantCulture),
            UserID = "root",
            SslMode = MySqlSslMode.None,
            AllowPublicKeyRetrieval = true,
        };
        await using var connection = new MySqlConnection(builder.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var drop = new MySqlCommand($"DROP DATABASE IF EXISTS {name}", connection);
        await drop.ExecuteNonQueryAsync(cancellationToken);
        builder.Database = name;
        return builder.ConnectionString;
    }

    private async Task<string> AddressAsync(string variable, string script)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } address)
        {
            return address;
        }

        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "BillingMigration.slnx")))
        {
            root = root.Parent ?? throw new InvalidOperationException("BillingMigration.slnx was not found above the tests.");
        }

        var port = FreePort();
        var data = Path.Combine(root.FullName, ".servers", script, $"data-tests-{port}");
        await RunAsync("start");
        _ends.Add(async () =>
        {
            await RunAsync("stop");
            Directory.Delete(data, true);
        });
        return $"127.0.0.1:{port}";

        async Task RunAsync(string verb)
        {
            var start = new ProcessStartInfo(Path.Combine(root.FullName, "tests", "servers", script)) { ArgumentList = { Path.Combine(root.FullName, ".servers", script), verb } };
            start.Environment["PORT"] = port.ToString(CultureInfo.InvariantCulture);
            start.Environment["DATA"] = data;
            start.Environment["OWNER"] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
            using var process = Process.Start(start)!;
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, $"tests/servers/{script} {verb} ended with {process.ExitCode}.");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
