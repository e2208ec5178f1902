using BillingMigration.Definition;
using MySqlConnector;

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
    private SourceConnections(SourceServer server) => Server = server;

    public SourceServer Server { get; }

    public static Task<SourceConnections> OpenAsync(MigrationDefinition definition, SourceCredential credential, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <summary>A connection of its own for the caller, who disposes it; from a pool.</summary>
    public ValueTask<MySqlConnection> OpenConnectionAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
