using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Testing;

/// <summary>A real MySQL or MariaDB server for tests; <c>root</c> has no password.</summary>
public abstract class SqlServerProcess : IAsyncDisposable
{
    private static int databases;
    private readonly ServerScript? script;

    private protected SqlServerProcess(ServerScript? script, string connectionString)
    {
        this.script = script;
        ConnectionString = connectionString;
        var parts = new MySqlConnectionStringBuilder(connectionString);
        (Host, Port) = (parts.Server, (int)parts.Port);
    }

    public string Host { get; }

    public int Port { get; }

    /// <summary>As root, without a database.</summary>
    public string ConnectionString { get; }

    /// <summary>PEM file of the authority that signed the server's certificate; null for a server that the tests did not start.</summary>
    public abstract string? CaFile { get; }

    private protected string? Data => script?.Data;

    /// <summary>A new empty database, dropped when disposed.</summary>
    /// <param name="options">After the name, for example <c>CHARACTER SET latin1</c>.</param>
    public async Task<TestDatabase> CreateDatabaseAsync(string options = "CHARACTER SET utf8mb4")
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"t{Environment.ProcessId}_{Interlocked.Increment(ref databases)}");
        await using var connection = new MySqlConnection(ConnectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand($"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}` {options}", connection);
        await command.ExecuteNonQueryAsync();
        return new TestDatabase(this, name);
    }

    public async ValueTask DisposeAsync()
    {
        await MySqlConnection.ClearAllPoolsAsync();
        if (script is not null)
        {
            await script.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    private protected static async Task<T> StartAsync<T>(string scriptName, string variable, string[] options, Func<ServerScript?, string, T> create)
    {
        // A machine that cannot run the scripts (no apt, not Linux) names a server of its own, for example one of tests/servers/compose.yaml.
        if (options.Length == 0 && Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given)
        {
            return create(null, given);
        }

        var script = await ServerScript.StartAsync(scriptName, options);
        var parts = new MySqlConnectionStringBuilder
        {
            Server = "127.0.0.1",
            Port = (uint)script.Port,
            UserID = "root",
            SslMode = MySqlSslMode.None,
            AllowPublicKeyRetrieval = true,
            AllowUserVariables = true,
            AllowLoadLocalInfile = true,
        };
        return create(script, parts.ConnectionString);
    }
}

public sealed class MySqlServer : SqlServerProcess
{
    private MySqlServer(ServerScript? script, string connectionString)
        : base(script, connectionString)
    {
    }

    public override string? CaFile => Data is null ? null : Path.Combine(Data, "ca.pem");

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_TEST_MYSQL</c> (a connection string) names when there are no options.</summary>
    /// <param name="options">More options of mysqld.</param>
    public static Task<MySqlServer> StartAsync(params string[] options) => StartAsync("mysql", "BILLING_TEST_MYSQL", options, (s, c) => new MySqlServer(s, c));
}

public sealed class MariaDbServer : SqlServerProcess
{
    private MariaDbServer(ServerScript? script, string connectionString)
        : base(script, connectionString)
    {
    }

    public override string? CaFile => Data is null ? null : Path.Combine(Data + ".tls", "ca.pem");

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_TEST_MARIADB</c> (a connection string) names when there are no options.</summary>
    /// <param name="options">More options of mariadbd.</param>
    public static Task<MariaDbServer> StartAsync(params string[] options) => StartAsync("mariadb", "BILLING_TEST_MARIADB", options, (s, c) => new MariaDbServer(s, c));
}

/// <summary>A database of one test.</summary>
public sealed class TestDatabase(SqlServerProcess server, string name) : IAsyncDisposable
{
    public SqlServerProcess Server { get; } = server;

    public string Name { get; } = name;

    public string ConnectionString { get; } = new MySqlConnectionStringBuilder(server.ConnectionString) { Database = name }.ConnectionString;

    public async Task<MySqlConnection> OpenAsync()
    {
        var connection = new MySqlConnection(ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Runs one or more statements.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var connection = await OpenAsync();
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 300 };
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await using var connection = new MySqlConnection(Server.ConnectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand($"DROP DATABASE IF EXISTS `{Name}`", connection);
        await command.ExecuteNonQueryAsync();
    }
}
