using BillingMigration.Testing;
using MySqlConnector;
using Xunit;

[assembly: AssemblyFixture(typeof(TestServers))]

namespace SampleBilling.Tests;

/// <summary>Databases on the shared servers.</summary>
public static class SampleServers
{
    /// <summary>A connection string to a database of this name that does not exist yet.</summary>
    public static async Task<string> NewDatabaseAsync(this TestServers servers, bool mariaDb, string name, CancellationToken cancellationToken)
    {
        var builder = new MySqlConnectionStringBuilder((await servers.SourceAsync(mariaDb)).ConnectionString);
        await using var connection = new MySqlConnection(builder.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var drop = new MySqlCommand($"DROP DATABASE IF EXISTS {name}", connection);
        await drop.ExecuteNonQueryAsync(cancellationToken);
        builder.Database = name;
        return builder.ConnectionString;
    }
}
