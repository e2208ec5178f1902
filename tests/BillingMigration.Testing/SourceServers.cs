using System.Globalization;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Testing;

/// <summary>A real MySQL or MariaDB server for tests; <c>root</c> has no password.</summary>
public abstract class SqlServerProcess : IAsyncDisposable
{
    private static int databases;
    private readonly ServerScript? script;

    private protected SqlServerProcess(ServerScript? script, string connectionString, string? caFile)
    {
        this.script = script;
        CaFile = caFile;
        ConnectionString = connectionString;
        var parts = new MySqlConnectionStringBuilder(connectionString);
        (Host, Port) = (parts.Server, (int)parts.Port);
    }

    public string Host { get; }

    public int Port { get; }

    /// <summary>As root, without a database.</summary>
    public string ConnectionString { get; }

    /// <summary>PEM file of the authority that signed the server's certificate; null for a server on another machine.</summary>
    public string? CaFile { get; }

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

    private protected static async Task<T> StartAsync<T>(
        string scriptName, string variable, string[] options, Func<ServerScript?, string, string?, T> create, IReadOnlyDictionary<string, string>? environment = null)
    {
        // The build script has servers running for all test projects; a machine that cannot run the scripts names servers of its own.
        var given = options.Length == 0 ? Environment.GetEnvironmentVariable(variable) : null;
        var script = string.IsNullOrEmpty(given) ? await ServerScript.StartAsync(scriptName, environment ?? new Dictionary<string, string>(), options) : null;
        var address = (given ?? string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{script!.Port}")).Split(':');
        var parts = new MySqlConnectionStringBuilder
        {
            Server = address[0],
            Port = uint.Parse(address[1], CultureInfo.InvariantCulture),
            UserID = "root",
            SslMode = MySqlSslMode.None,
            AllowPublicKeyRetrieval = true,
            AllowUserVariables = true,
            AllowLoadLocalInfile = true,
        };
        return create(script, parts.ConnectionString, await FindCaFileAsync(parts.ConnectionString));
    }

    private static async Task<string?> FindCaFileAsync(string connectionString)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand("SELECT @@datadir, @@ssl_ca", connection);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        var file = Path.Combine(reader.GetString(0), reader.GetString(1));
        return File.Exists(file) ? file : null;
    }
}

public sealed class MySqlServer : SqlServerProcess
{
    private MySqlServer(ServerScript? script, string connectionString, string? caFile)
        : base(script, connectionString, caFile)
    {
    }

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_MYSQL</c> (host:port) names when there are no options.</summary>
    /// <param name="options">More options of mysqld.</param>
    public static Task<MySqlServer> StartAsync(params string[] options) => StartAsync("mysql", "BILLING_MYSQL", options, (s, c, ca) => new MySqlServer(s, c, ca));
}

public sealed class MariaDbServer : SqlServerProcess
{
    private MariaDbServer(ServerScript? script, string connectionString, string? caFile)
        : base(script, connectionString, caFile)
    {
    }

    /// <summary>Starts a server of its own, or takes the one that <c>BILLING_MARIADB</c> (host:port) names when there are no options.</summary>
    /// <param name="options">More options of mariadbd.</param>
    public static Task<MariaDbServer> StartAsync(params string[] options) => StartAsync(new Dictionary<string, string>(), options);

    /// <summary>The same, with environment variables for the server.</summary>
    public static Task<MariaDbServer> StartAsync(IReadOnlyDictionary<string, string> environment, params string[] options) =>
        StartAsync("mariadb", "BILLING_MARIADB", options, (s, c, ca) => new MariaDbServer(s, c, ca), environment);
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

    /// <summary>An account of an application: it may read and write the database, and do nothing to the server. Made anew.</summary>
    public async Task<SourceCredential> CreateApplicationAsync()
    {
        var application = new SourceCredential("application", "not-a-secret-1");
        await ExecuteAsync(
            $"DROP USER IF EXISTS '{application.UserName}'@'%'; CREATE USER '{application.UserName}'@'%' IDENTIFIED BY '{application.Password}'; GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON `{Name}`.* TO '{application.UserName}'@'%'");
        return application;
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
        // Its idle connections would stay until the server has no more to give.
        await using (var own = new MySqlConnection(ConnectionString))
        {
            await MySqlConnection.ClearPoolAsync(own);
        }

        await using var connection = new MySqlConnection(Server.ConnectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand($"DROP DATABASE IF EXISTS `{Name}`", connection);
        await command.ExecuteNonQueryAsync();
    }
}
