using BillingMigration.Definition;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Store.MySql;

/// <summary>Pooled connections of an application to the source: TLS as defined, sessions set up so that texts are canonical and nothing is bent silently.</summary>
internal sealed class StoreConnections : IAsyncDisposable
{
    private const string SessionSetup =
        "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', character_set_results = utf8mb4, autocommit = 1, sql_select_limit = 18446744073709551615; "
        + "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

    private const int MostReads = 3;

    private readonly MySqlDataSource pool;
    private readonly SourceDefinition source;

    private StoreConnections(MySqlDataSource pool, SourceDefinition source) => (this.pool, this.source) = (pool, source);

    /// <exception cref="MigrationException"><c>SourceTlsRequired</c>: no TLS beyond loopback.</exception>
    public static StoreConnections Open(MigrationDefinition definition, SourceCredential credential)
    {
        var source = definition.Source;
        var text = SourceConnections.AddressOf(source, credential);
        text.DefaultCommandTimeout = 60;
        text.MaximumPoolSize = 128;
        text.ApplicationName = "BillingStore";
        var builder = new MySqlDataSourceBuilder(text.ConnectionString);
        if (ServerCertificate.Validator(source, definition.BaseDirectory) is { } validator)
        {
            builder.UseRemoteCertificateValidationCallback(validator);
        }

        return new StoreConnections(builder.Build(), source);
    }

    /// <summary>A connection for one operation; disposing it gives it back.</summary>
    public async ValueTask<MySqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        MySqlConnection? connection = null;
        try
        {
            connection = await pool.OpenConnectionAsync(cancellationToken);
            await using var setup = new MySqlCommand(SessionSetup, connection);
            await setup.ExecuteNonQueryAsync(cancellationToken);
            return connection;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }

            throw SourceErrors.FromConnect(e, source);
        }
    }

    /// <summary>Makes connections before they are needed.</summary>
    /// <exception cref="MigrationException">The source cannot be reached, or refuses.</exception>
    public async Task WarmAsync(int count, CancellationToken cancellationToken)
    {
        // Each is held until all are there: else one would serve them all.
        var made = await Task.WhenAll(Enumerable.Range(0, count).Select(async _ => await OpenAsync(cancellationToken)));
        foreach (var connection in made)
        {
            await connection.DisposeAsync();
        }
    }

    /// <summary>Reads over a connection of its own; one that has broken is no reason to fail.</summary>
    /// <param name="table">For the error.</param>
    /// <exception cref="MigrationException">The source cannot be reached, or refuses.</exception>
    public async Task<T> ReadAsync<T>(string table, Func<MySqlConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var connection = await OpenAsync(cancellationToken);
                return await read(connection);
            }
            catch (Exception e) when (e is MySqlException or IOException or System.Net.Sockets.SocketException)
            {
                if (attempt == MostReads || !SourceErrors.IsTransient(e))
                {
                    throw Failure(e, table);
                }
            }
        }
    }

    /// <summary>Names the cause of a failed statement, or of a connection that broke.</summary>
    public MigrationException Failure(Exception error, string table) => (error is MySqlException mysql ? SourceErrors.FromStatement(mysql, table) : null) ?? SourceErrors.FromConnect(error, source);

    public ValueTask DisposeAsync() => pool.DisposeAsync();
}
