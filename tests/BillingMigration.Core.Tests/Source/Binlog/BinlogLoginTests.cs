using System.Globalization;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Who may follow the binlog, over which connection, and what the others are told.</summary>
public sealed class BinlogLoginTests(TestServers servers)
{
    private const string Password = "p4ss-Wörd with 'quotes'";
    private static int accounts;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(SourceTlsMode.VerifyCA)]
    [InlineData(SourceTlsMode.None)]
    public async Task The_full_and_then_the_fast_form_of_caching_sha2_password(SourceTlsMode mode)
    {
        var server = await servers.MySqlAsync();
        await using var account = await Account.CreateAsync(server, "IDENTIFIED WITH caching_sha2_password BY " + Quoted(Password));
        // The server has not seen this account yet: it wants the password itself, once.
        await LogsInAsync(server, account, mode);
        await LogsInAsync(server, account, mode);
    }

    [Fact]
    public async Task An_account_without_a_password()
    {
        var server = await servers.MySqlAsync();
        await using var account = await Account.CreateAsync(server, "IDENTIFIED WITH caching_sha2_password BY ''");
        await LogsInAsync(server, account with { Credential = account.Credential with { Password = "" } }, SourceTlsMode.VerifyCA);
    }

    [Theory]
    [InlineData("mysql_native_password", SourceTlsMode.VerifyFull)]
    [InlineData("mysql_native_password", SourceTlsMode.VerifyCA)]
    [InlineData("mysql_native_password", SourceTlsMode.None)]
    [InlineData("ed25519", SourceTlsMode.VerifyFull)]
    [InlineData("ed25519", SourceTlsMode.None)]
    public async Task The_plugins_of_MariaDb(string plugin, SourceTlsMode mode)
    {
        var server = await servers.MariaDbAsync();
        await InstallAsync(server, plugin);
        await using var account = await Account.CreateAsync(server, $"IDENTIFIED VIA {plugin} USING PASSWORD({Quoted(Password)})");
        await LogsInAsync(server, account, mode);

        // So does the connection that reads rows.
        await using var rows = await SourceConnections.OpenAsync(Replica.SourceOf(server, mode) with { Database = "information_schema" }, account.Credential, null, Cancel);
        Assert.Equal(SourceFlavor.MariaDb, rows.Server.Flavor);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wrong_password(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var account = await Account.CreateAsync(server, "IDENTIFIED BY " + Quoted(Password));
        var error = await RefusedAsync(Replica.SourceOf(server), account.Credential with { Password = "wrong-Secret" });
        Assert.Equal(("SourceLoginRefused", MigrationErrorKind.AuthenticationFailed), (error.ErrorId, error.Kind));
        Assert.DoesNotContain("wrong-Secret", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_account_without_the_privilege(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var account = await Account.CreateAsync(server, "IDENTIFIED BY " + Quoted(Password), grant: "SELECT ON *.*");
        var error = await RefusedAsync(Replica.SourceOf(server), account.Credential);
        Assert.Equal(("SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied), (error.ErrorId, error.Kind));
        Assert.Contains("GRANT REPLICATION SLAVE ON *.*", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_without_the_hosts_name_under_VerifyFull()
    {
        var error = await RefusedAsync(Replica.SourceOf(await servers.MySqlAsync(), SourceTlsMode.VerifyFull), Replica.Root);
        Assert.Equal(("SourceTlsFailed", MigrationErrorKind.SecurityViolation), (error.ErrorId, error.Kind));
    }

    [Theory]
    [InlineData(SourceTlsMode.VerifyFull)]
    [InlineData(SourceTlsMode.VerifyCA)]
    public async Task A_certificate_of_another_authority(SourceTlsMode mode)
    {
        var other = await servers.MySqlAsync();
        var source = Replica.SourceOf(await servers.MariaDbAsync(), mode);
        Assert.Equal("SourceTlsFailed", (await RefusedAsync(source with { Tls = new SourceTlsDefinition { Mode = mode, CaFile = other.CaFile } }, Replica.Root)).ErrorId);
        Assert.Equal("SourceTlsFailed", (await RefusedAsync(source with { Tls = new SourceTlsDefinition { Mode = mode } }, Replica.Root)).ErrorId);
    }

    [Theory]
    [InlineData("missing.pem", null)]
    [InlineData("empty.pem", "no certificate in here")]
    public async Task A_CA_file_that_is_none(string name, string? text)
    {
        var folder = Directory.CreateTempSubdirectory();
        if (text is not null)
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, name), text, Cancel);
        }

        var source = Replica.SourceOf(await servers.MySqlAsync()) with { Tls = new SourceTlsDefinition { Mode = SourceTlsMode.VerifyCA, CaFile = name } };
        var error = await RefusedAsync(source, Replica.Root, new BinlogConnectionOptions { BaseDirectory = folder.FullName });
        Assert.Equal("SourceTlsFailed", error.ErrorId);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Changes_in_clear_to_another_machine()
    {
        var error = await RefusedAsync(
            new SourceDefinition { Host = "10.0.0.1", Database = "billing", Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None } }, Replica.Root);
        Assert.Equal("SourceTlsRequired", error.ErrorId);
    }

    [Fact]
    public async Task A_position_of_the_other_kind_of_server()
    {
        var server = await servers.MariaDbAsync();
        var error = await Assert.ThrowsAsync<MigrationException>(() => server.FollowAsync(new BinlogStart(SourceFlavor.MySql, "", null, 0), Cancel));
        Assert.Equal("SourceFlavorChanged", error.ErrorId);
    }

    private static async Task LogsInAsync(SqlServerProcess server, Account account, SourceTlsMode mode)
    {
        var start = await server.EndAsync(byGtid: true);
        await using var stream = await BinlogConnection.OpenAsync(
            Replica.SourceOf(server, mode), account.Credential, start, new BinlogConnectionOptions(), TimeProvider.System, Cancel);
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.FormatDescription, Cancel);
    }

    private async Task<MigrationException> RefusedAsync(SourceDefinition source, SourceCredential credential, BinlogConnectionOptions? options = null)
    {
        var flavor = source.Port == (await servers.MySqlAsync()).Port ? SourceFlavor.MySql : SourceFlavor.MariaDb;
        return await Assert.ThrowsAsync<MigrationException>(
            () => BinlogConnection.OpenAsync(source, credential, new BinlogStart(flavor, "", null, 0), options ?? new BinlogConnectionOptions(), TimeProvider.System, Cancel));
    }

    private static async Task InstallAsync(SqlServerProcess server, string plugin)
    {
        if (plugin == "ed25519")
        {
            await server.ExecuteAsync("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'");
        }
    }

    private static string Quoted(string text) => "'" + text.Replace("'", "''", StringComparison.Ordinal) + "'";

    private sealed record Account(SqlServerProcess Server, SourceCredential Credential) : IAsyncDisposable
    {
        public static async Task<Account> CreateAsync(SqlServerProcess server, string identified, string grant = "REPLICATION SLAVE ON *.*")
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"follower{Environment.ProcessId}_{Interlocked.Increment(ref accounts)}");
            await server.ExecuteAsync($"DROP USER IF EXISTS '{name}'@'%'; CREATE USER '{name}'@'%' {identified}; GRANT {grant} TO '{name}'@'%'");
            return new Account(server, new SourceCredential(name, Password));
        }

        public async ValueTask DisposeAsync() => await Server.ExecuteAsync($"DROP USER '{Credential.UserName}'@'%'");
    }
}
