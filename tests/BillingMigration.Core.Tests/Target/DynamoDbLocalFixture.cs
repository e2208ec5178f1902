using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Target;
using BillingMigration.Tests.Target;

[assembly: Xunit.AssemblyFixture(typeof(DynamoDbLocalFixture))]

namespace BillingMigration.Tests.Target;

/// <summary>One DynamoDB Local for all tests; each test uses tables of its own.</summary>
public sealed class DynamoDbLocalFixture : Xunit.IAsyncLifetime
{
    private const string RunningServer = "BILLING_TEST_DYNAMODB_PORT";
    private string? script;
    private int port;

    public Uri Url => new($"http://127.0.0.1:{port}");

    public int Port => port;

    public static TargetAccess Access => new() { AccessKeyId = "local", SecretAccessKey = "local" };

    public async ValueTask InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable(RunningServer) is { Length: > 0 } running)
        {
            port = int.Parse(running, CultureInfo.InvariantCulture);
            return;
        }

        using (var probe = new TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            port = ((IPEndPoint)probe.LocalEndpoint).Port;
        }

        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "BillingMigration.slnx")))
        {
            root = root.Parent ?? throw new InvalidOperationException("The tests do not run inside the checkout.");
        }

        script = Path.Combine(root.FullName, "tests", "servers", "dynamodb-local");
        await RunAsync("start", root.FullName);
    }

    public async ValueTask DisposeAsync()
    {
        if (script is not null)
        {
            await RunAsync("stop", Path.GetDirectoryName(script)!);
        }
    }

    public MigrationDefinition Definition(string? table = null, Uri? endpoint = null, params IndexDefinition[] indexes) => new()
    {
        Name = "test",
        Source = new SourceDefinition { Host = "127.0.0.1", Database = "billing" },
        Target = new TargetDefinition { Region = "eu-central-1", EndpointUrl = endpoint ?? Url, Table = table ?? NewName() },
        Entities = [],
        Indexes = [.. indexes],
    };

    public static string NewName() => "t-" + Guid.NewGuid().ToString("N")[..12];

    public Task<TargetConnection> ConnectAsync(Uri? endpoint = null) =>
        TargetConnection.OpenAsync(Definition(endpoint: endpoint), Access, Xunit.TestContext.Current.CancellationToken);

    /// <summary>A table with pk and sk.</summary>
    public static async Task<string> CreateTableAsync(IAmazonDynamoDB client)
    {
        var name = NewName();
        await client.CreateTableAsync((TableSpec.Control(new TargetDefinition { Table = name, ControlTable = name }) with { Tags = ImmutableSortedDictionary<string, string>.Empty }).ToRequest());
        return name;
    }

    private async Task RunAsync(string verb, string workingDirectory)
    {
        var start = new ProcessStartInfo(script!, [Path.Combine(Path.GetTempPath(), "bm-dynamodb"), verb]) { WorkingDirectory = workingDirectory };
        start.Environment["PORT"] = port.ToString(CultureInfo.InvariantCulture);
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{script} {verb} ended with {process.ExitCode}.");
        }
    }
}
