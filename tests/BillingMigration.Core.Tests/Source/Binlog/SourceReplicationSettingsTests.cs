using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Binlog;

public sealed class SourceReplicationSettingsTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MySql_as_it_is()
    {
        var settings = await ReadAsync(await servers.MySqlAsync());
        settings.EnsureUsable();
        Assert.True(settings.BinlogEnabled);
        Assert.Equal("FULL", settings.BinlogRowImage);
        Assert.True(settings.HasColumnNames);
        Assert.Equal("ON", settings.GtidMode);
        Assert.True(Guid.TryParse(settings.ServerUuid, out _));
        Assert.Equal(ForeignKeyLogging.WithChildren, settings.ForeignKeyLogging);
    }

    [Fact]
    public async Task MariaDb_as_it_is()
    {
        var settings = await ReadAsync(await servers.MariaDbAsync());
        settings.EnsureUsable();
        Assert.Equal("ROW", settings.BinlogFormat);
        Assert.Null(settings.GtidMode);
        Assert.Equal(ForeignKeyLogging.ParentOnly, settings.ForeignKeyLogging);
    }

    [Theory]
    [InlineData("BinlogDisabled", "log_bin", "OFF")]
    [InlineData("BinlogFormatUnfit", "binlog_format", "MIXED")]
    [InlineData("BinlogFormatUnfit", "binlog_format", "STATEMENT")]
    [InlineData("BinlogRowImageUnfit", "binlog_row_image", "MINIMAL")]
    [InlineData("BinlogRowImageUnfit", "binlog_row_image", "NOBLOB")]
    [InlineData("BinlogRowImageUnfit", "binlog_row_image", "FULL_NODUP")]
    public void A_source_that_cannot_be_followed(string error, string variable, string value)
    {
        var variables = new Dictionary<string, string> { ["log_bin"] = "ON", ["binlog_format"] = "ROW", ["binlog_row_image"] = "FULL", [variable] = value };
        var refused = Assert.Throws<MigrationException>(() => SourceReplicationSettings.From(variables, SourceFlavor.MySql).EnsureUsable());
        Assert.Equal((error, MigrationErrorKind.WrongState), (refused.ErrorId, refused.Kind));
        Assert.Contains(variable, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, ForeignKeyLogging.ParentOnly)]
    [InlineData("ON", ForeignKeyLogging.ParentOnly)]
    [InlineData("OFF", ForeignKeyLogging.WithChildren)]
    public void Cascades_are_logged_from_MySql_96_on(string? native, ForeignKeyLogging logging)
    {
        var variables = new Dictionary<string, string> { ["log_bin"] = "1" };
        if (native is not null)
        {
            variables["innodb_native_foreign_keys"] = native;
        }

        Assert.Equal(logging, SourceReplicationSettings.From(variables, SourceFlavor.MySql).ForeignKeyLogging);
    }

    private static async Task<SourceReplicationSettings> ReadAsync(SqlServerProcess server)
    {
        await using var connections = await SourceConnections.OpenAsync(Replica.SourceOf(server) with { Database = "mysql" }, Replica.Root, null, Cancel);
        await using var connection = await connections.OpenConnectionAsync(Cancel);
        return await SourceReplicationSettings.ReadAsync(connection, connections.Server, Cancel);
    }
}
