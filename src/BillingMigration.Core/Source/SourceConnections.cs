using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Security;
using BillingMigration.Definition;
using BillingMigration.Transfer;
using MySqlConnector;
using MySqlConnector.Authentication;

namespace BillingMigration.Source;

/// <summary>What the source server says of itself.</summary>
/// <param name="VersionText"><c>SELECT VERSION()</c>.</param>
/// <param name="Identity"><c>server_uuid</c> (MySQL) or <c>server_id</c> (MariaDB).</param>
/// <param name="GtidMode">True when GTIDs can be used as positions.</param>
/// <param name="BinlogEnabled"><c>log_bin</c>.</param>
public sealed record SourceServer(SourceFlavor Flavor, Version Version, string VersionText, string Identity, bool GtidMode, bool BinlogEnabled);

/// <summary>Opens connections to the source: TLS as defined, session set up so that texts are canonical.</summary>
public sealed class SourceConnections : IAsyncDisposable
{
    // UTC makes TIMESTAMP texts independent of the server's zone; an empty sql_mode keeps CHAR texts unpadded and identifiers
    // plain; a long net_write_timeout lets the reader wait for a slow target without losing its result set. What a read sees must not hang on
    // the server's defaults either: READ UNCOMMITTED shows rows that are rolled back later, without autocommit every later read sees what the
    // first one saw, sql_select_limit cuts results short, sql_big_selects refuses large ones, a short wait_timeout ends a connection between two of
    // its pages, and max_execution_time (max_statement_time) a page that is slow.
    private const string SessionSetup =
        "SET SESSION time_zone = '+00:00', sql_mode = '', net_write_timeout = 3600, character_set_results = utf8mb4, autocommit = 1, sql_select_limit = 18446744073709551615, sql_big_selects = 1, wait_timeout = 28800; "
        + "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

    private readonly string connectionString;
    private readonly RemoteCertificateValidationCallback? certificate;

    static SourceConnections() => AuthenticationPlugins.Register(new Ed25519Login());

    private SourceConnections(
        string connectionString, RemoteCertificateValidationCallback? certificate, SourceDefinition source, SourceCredential credential, string? baseDirectory, SourceServer server)
    {
        this.connectionString = connectionString;
        this.certificate = certificate;
        Credential = credential;
        BaseDirectory = baseDirectory;
        Source = source;
        Server = server;
    }

    /// <summary>Source as reached: host and port of the path in use.</summary>
    public SourceDefinition Source { get; }

    public SourceServer Server { get; private set; }

    /// <summary>For the binlog connection, which is another protocol on the same server.</summary>
    internal SourceCredential Credential { get; }

    /// <summary>When binlog files were made, of those that were looked into: by name, in Unix seconds.</summary>
    internal ConcurrentDictionary<string, uint> BinlogFiles { get; } = new(StringComparer.Ordinal);

    /// <summary>Where a relative CA file is.</summary>
    internal string? BaseDirectory { get; }

    /// <summary>Connects once, over the first path that answers, and asks the server what it is.</summary>
    /// <exception cref="MigrationException">See <see cref="SourceErrors"/>.</exception>
    public static async Task<SourceConnections> OpenAsync(MigrationDefinition definition, SourceCredential credential, CancellationToken cancellationToken)
    {
        MigrationException? unreachable = null;
        foreach (var source in Ways(definition))
        {
            try
            {
                return await OpenAsync(source, credential, definition.BaseDirectory, cancellationToken);
            }
            catch (MigrationException e) when (e.Kind == MigrationErrorKind.Unreachable)
            {
                unreachable = e;
            }
        }

        throw unreachable!;
    }

    public static async Task<SourceConnections> OpenAsync(SourceDefinition source, SourceCredential credential, string? baseDirectory, CancellationToken cancellationToken)
    {
        var connectionString = ConnectionStringFor(source, credential);
        var certificate = ServerCertificate.Validator(source, baseDirectory);
        await using var connection = await ConnectAsync(connectionString, certificate, source, cancellationToken);
        try
        {
            return new SourceConnections(connectionString, certificate, source, credential, baseDirectory, await IdentifyAsync(connection, cancellationToken));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && (e is MySqlException || SourceErrors.IsTransient(e)))
        {
            // MariaDB lets an account in whose password has expired, and refuses its first question.
            throw SourceErrors.FromConnect(e, source);
        }
    }

    /// <summary>A connection of its own for the caller, who disposes it. After a failover another server answers: <see cref="Server"/> is then that one.</summary>
    public async ValueTask<MySqlConnection> OpenConnectionAsync(CancellationToken cancellationToken)
    {
        var connection = await ConnectAsync(connectionString, certificate, Source, cancellationToken);
        try
        {
            if (await ScalarAsync(connection, Server.Flavor == SourceFlavor.MySql ? "SELECT @@server_uuid" : "SELECT @@server_id", cancellationToken) != Server.Identity)
            {
                Server = await IdentifyAsync(connection, cancellationToken);
            }

            return connection;
        }
        catch (MySqlException e) when (SourceErrors.IsOfAccount(e))
        {
            await connection.DisposeAsync();
            throw SourceErrors.FromConnect(e, Source);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static IEnumerable<SourceDefinition> Ways(MigrationDefinition definition)
    {
        var ways = definition.Paths.Where(p => p.SourceHost is not null)
            .Select(p => definition.Source with { Host = p.SourceHost!, Port = p.SourcePort ?? definition.Source.Port });
        return ways.Any() ? ways : [definition.Source];
    }

    /// <summary>Address, account and TLS of every connection to the source, whoever makes it; how it is used, the caller adds.</summary>
    /// <exception cref="MigrationException"><c>SourceTlsRequired</c>: no TLS beyond loopback.</exception>
    internal static MySqlConnectionStringBuilder AddressOf(SourceDefinition source, SourceCredential credential)
    {
        if (source.Tls.Mode == SourceTlsMode.None && !Loopback.Is(source.Host))
        {
            throw SourceErrors.TlsRequired(source);
        }

        return new MySqlConnectionStringBuilder
        {
            Server = source.Host,
            Port = (uint)source.Port,
            Database = source.Database,
            UserID = credential.UserName,
            Password = credential.Password,
            // Verified by ServerCertificate, whatever the mode.
            SslMode = source.Tls.Mode == SourceTlsMode.None ? MySqlSslMode.Disabled : MySqlSslMode.Required,
            TlsVersion = "TLS 1.2, TLS 1.3",
            // Without TLS, and only on loopback, caching_sha2_password needs the server's RSA key.
            AllowPublicKeyRetrieval = source.Tls.Mode == SourceTlsMode.None,
            UseCompression = source.Compression,
            ConnectionTimeout = 15,
            TreatTinyAsBoolean = false,
        };
    }

    private static string ConnectionStringFor(SourceDefinition source, SourceCredential credential)
    {
        var builder = AddressOf(source, credential);
        builder.DefaultCommandTimeout = 0;
        // On cancellation the socket is closed at once; a page of rows ends by itself on the server.
        builder.CancellationTimeout = -1;
        builder.Keepalive = 30;
        builder.Pooling = false;
        builder.AllowUserVariables = false;
        builder.ApplicationName = "BillingMigration";
        return builder.ConnectionString;
    }

    private static async Task<MySqlConnection> ConnectAsync(
        string connectionString, RemoteCertificateValidationCallback? certificate, SourceDefinition source, CancellationToken cancellationToken)
    {
        var connection = new MySqlConnection(connectionString) { RemoteCertificateValidationCallback = certificate };
        try
        {
            await connection.OpenAsync(cancellationToken);
            var limit = connection.ServerVersion.Contains("MariaDB", StringComparison.OrdinalIgnoreCase) ? "max_statement_time" : "max_execution_time";
            await using var setup = new MySqlCommand($"{SessionSetup}; SET SESSION {limit} = 0", connection);
            await setup.ExecuteNonQueryAsync(cancellationToken);
            return connection;
        }
        catch (Exception e)
        {
            await connection.DisposeAsync();
            cancellationToken.ThrowIfCancellationRequested();
            throw SourceErrors.FromConnect(e, source);
        }
    }

    private static async Task<SourceServer> IdentifyAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        // MySqlConnection.ServerVersion of MariaDB begins with 5.5.5, a fiction for old replicas.
        var text = await ScalarAsync(connection, "SELECT VERSION()", cancellationToken) ?? "";
        var flavor = text.Contains("MariaDB", StringComparison.OrdinalIgnoreCase) ? SourceFlavor.MariaDb : SourceFlavor.MySql;
        var number = new string([.. text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.')]).TrimEnd('.');
        var identity = await ScalarAsync(connection, flavor == SourceFlavor.MySql ? "SELECT @@server_uuid" : "SELECT @@server_id", cancellationToken);
        var gtid = flavor == SourceFlavor.MariaDb || await ScalarAsync(connection, "SELECT @@gtid_mode", cancellationToken) == "ON";
        var binlog = await ScalarAsync(connection, "SELECT @@log_bin", cancellationToken) == "1";
        return new SourceServer(flavor, Version.TryParse(number, out var version) ? version : new Version(0, 0), text, identity ?? "", gtid, binlog);
    }

    internal static async Task<string?> ScalarAsync(MySqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, connection);
        var value = await command.ExecuteScalarAsync(cancellationToken);
        return value is null or DBNull ? null : Convert.ToString(value, CultureInfo.InvariantCulture);
    }
}
