using System.Net;
using System.Net.Sockets;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Testing;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Tests.Source;

/// <summary>What an operator is told when the source cannot be used: one stable id for each cause, and what to do.</summary>
public sealed class SourceErrorTests(TestServers servers)
{
    private const string Password = "p4ss-Word";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_port_where_nobody_listens()
    {
        using var unused = new TcpListener(IPAddress.Loopback, 0);
        unused.Start();
        var port = ((IPEndPoint)unused.LocalEndpoint).Port;
        unused.Stop();
        var error = await FailsAsync(new SourceDefinition { Host = "127.0.0.1", Port = port, Database = "billing", Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None } });
        AssertSays(error, "SourceUnreachable", MigrationErrorKind.Unreachable, $"127.0.0.1:{port}");
    }

    [Fact]
    public async Task A_host_that_does_not_exist()
    {
        var error = await FailsAsync(new SourceDefinition { Host = "billing.invalid", Port = 3306, Database = "billing" });
        AssertSays(error, "SourceUnreachable", MigrationErrorKind.Unreachable, "billing.invalid:3306");
    }

    [Fact]
    public async Task Rows_in_clear_to_another_machine()
    {
        var error = await FailsAsync(new SourceDefinition { Host = "10.0.0.1", Port = 3306, Database = "billing", Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None } });
        AssertSays(error, "SourceTlsRequired", MigrationErrorKind.SecurityViolation, "10.0.0.1:3306");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wrong_password(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        var error = await FailsAsync(account.Source, account.Credential with { Password = "wrong-Secret" });
        AssertSays(error, "SourceLoginRefused", MigrationErrorKind.AuthenticationFailed, "-SourceCredential");
        Assert.DoesNotContain("wrong-Secret", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "ACCOUNT LOCK", "SourceAccountLocked", MigrationErrorKind.AuthenticationFailed, "ACCOUNT UNLOCK")]
    [InlineData(true, "ACCOUNT LOCK", "SourceAccountLocked", MigrationErrorKind.AuthenticationFailed, "ACCOUNT UNLOCK")]
    [InlineData(false, "PASSWORD EXPIRE", "SourcePasswordExpired", MigrationErrorKind.AuthenticationFailed, "PASSWORD EXPIRE NEVER")]
    [InlineData(true, "PASSWORD EXPIRE", "SourcePasswordExpired", MigrationErrorKind.AuthenticationFailed, "PASSWORD EXPIRE NEVER")]
    [InlineData(false, "WITH MAX_QUERIES_PER_HOUR 1", "SourceAccountLimit", MigrationErrorKind.LimitExceeded, "MAX_QUERIES_PER_HOUR 0")]
    [InlineData(true, "WITH MAX_QUERIES_PER_HOUR 1", "SourceAccountLimit", MigrationErrorKind.LimitExceeded, "MAX_QUERIES_PER_HOUR 0")]
    public async Task An_account_that_may_not_work_now(bool mariaDb, string change, string id, MigrationErrorKind kind, string remedy)
    {
        await using var account = await AccountAsync(mariaDb);
        await account.GrantAsync($"SELECT ON {account.Database.Name}.*");
        await account.Database.ExecuteAsync($"ALTER USER {account.User} {change}");
        AssertSays(await FailsAsync(account.Source, account.Credential), id, kind, remedy);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Limits_of_the_servers_sessions_are_not_ours(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        await account.GrantAsync($"SELECT ON {account.Database.Name}.*");
        await using var source = await SourceConnections.OpenAsync(account.Source, account.Credential, null, Cancel);
        await using var connection = await source.OpenConnectionAsync(Cancel);
        var limit = mariaDb ? "max_statement_time" : "max_execution_time";
        await using var command = new MySqlCommand($"SELECT CONCAT(@@sql_big_selects + 0, ' ', @@wait_timeout, ' ', @@{limit} = 0)", connection);
        Assert.Equal("1 28800 1", await command.ExecuteScalarAsync(Cancel) as string);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_database_that_is_not_there(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        await account.GrantAsync("SELECT ON *.*");
        var error = await FailsAsync(account.Source with { Database = "no_such_billing" }, account.Credential);
        AssertSays(error, "SourceDatabaseNotFound", MigrationErrorKind.NotFound, "no_such_billing");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_database_that_the_account_may_not_use(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        var error = await FailsAsync(account.Source, account.Credential);
        AssertSays(error, "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied, $"GRANT SELECT ON `{account.Database.Name}`.*", "or there is none of that name", "'. Look");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_view_is_called_a_view(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        await SampleDatabase.CreateAsync(account.Database.ConnectionString, 100, 1, cancellationToken: Cancel);
        await account.Database.ExecuteAsync("RENAME TABLE charge TO charge_base");
        await account.Database.ExecuteAsync("CREATE VIEW charge AS SELECT * FROM charge_base");
        await account.GrantAsync($"SELECT ON `{account.Database.Name}`.*");

        var error = await ExportFailsAsync(account);

        AssertSays(error, "DefinitionDoesNotFitSource", MigrationErrorKind.InvalidDefinition, "'charge' is a view", "Name the table behind it");
        Assert.DoesNotContain("GRANT", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_table_that_the_account_may_not_read(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        await SampleDatabase.CreateAsync(account.Database.ConnectionString, 100, 1, cancellationToken: Cancel);
        foreach (var table in SampleDatabase.Tables.Where(t => t != "charge"))
        {
            await account.GrantAsync($"SELECT ON `{account.Database.Name}`.{table}");
        }

        var error = await ExportFailsAsync(account);
        AssertSays(error, "SourceTableNotFound", MigrationErrorKind.NotFound, "charge", "GRANT SELECT");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_position_that_the_account_may_not_ask_for_is_missed_before_a_row_is_read(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        await SampleDatabase.CreateAsync(account.Database.ConnectionString, 100, 1, cancellationToken: Cancel);
        await account.GrantAsync($"SELECT ON `{account.Database.Name}`.*");

        var error = await ExportFailsAsync(account);
        AssertSays(error, "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied, "REPLICATION CLIENT");

        await account.GrantAsync(mariaDb ? "BINLOG MONITOR ON *.*" : "REPLICATION CLIENT ON *.*");
        Assert.Equal(SnapshotOutcome.Complete, (await ExportAsync(account)).Outcome);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_certificate_of_an_authority_that_is_not_the_one_named(bool mariaDb)
    {
        await using var account = await AccountAsync(mariaDb);
        var other = (await servers.SourceAsync(!mariaDb)).CaFile;
        Assert.SkipWhen(other is null, "the other server's certificate authority is on another machine");
        await account.GrantAsync($"SELECT ON `{account.Database.Name}`.*");
        foreach (var mode in new[] { SourceTlsMode.VerifyCA, SourceTlsMode.VerifyFull })
        {
            SourceDefinition With(string? ca) => account.Source with { Tls = new SourceTlsDefinition { Mode = mode, CaFile = ca } };
            AssertSays(await FailsAsync(With(other), account.Credential), "SourceTlsFailed", MigrationErrorKind.SecurityViolation, "caFile", mode == SourceTlsMode.VerifyCA ? "signed by no authority that is trusted here" : "its certificate is");

            // It has not even been told who asks: a wrong password makes no difference.
            var unknown = account.Credential with { Password = "wrong" };
            AssertSays(await FailsAsync(With(other), unknown), "SourceTlsFailed", MigrationErrorKind.SecurityViolation);
            AssertSays(await FailsAsync(With("no-such.pem"), unknown), "SourceTlsFailed", MigrationErrorKind.SecurityViolation, "no-such.pem");
            AssertSays(await FailsAsync(With(typeof(SourceErrorTests).Assembly.Location), unknown), "SourceTlsFailed", MigrationErrorKind.SecurityViolation, "no PEM");
        }

        await using var trusted = await SourceConnections.OpenAsync(
            account.Source with { Tls = new SourceTlsDefinition { Mode = SourceTlsMode.VerifyCA, CaFile = account.Database.Server.CaFile } }, account.Credential, null, Cancel);
        await using var connection = await trusted.OpenConnectionAsync(Cancel);
        await using var command = new MySqlCommand("SHOW STATUS LIKE 'Ssl_version'", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        Assert.True(await reader.ReadAsync(Cancel));
        Assert.StartsWith("TLSv1.", reader.GetString(1), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_is_not_in_the_certificate_is_refused_by_VerifyFull_alone()
    {
        // MySQL's automatic certificates carry no name at all.
        await using var account = await AccountAsync(mariaDb: false);
        Assert.SkipWhen(account.Database.Server.CaFile is null, "the server's certificate authority is on another machine");
        await account.GrantAsync($"SELECT ON `{account.Database.Name}`.*");
        var error = await FailsAsync(
            account.Source with { Tls = new SourceTlsDefinition { Mode = SourceTlsMode.VerifyFull, CaFile = account.Database.Server.CaFile } }, account.Credential);
        AssertSays(error, "SourceTlsFailed", MigrationErrorKind.SecurityViolation, "VerifyCA", "for another host name");
    }

    [Fact]
    public async Task A_server_that_offers_nothing_newer_than_TLS_1_1()
    {
        var openssl = Repository.PathOf("artifacts", "test-servers", "tls11.cnf");
        Directory.CreateDirectory(Path.GetDirectoryName(openssl)!);
        await File.WriteAllTextAsync(
            openssl,
            "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n[any]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n",
            Cancel);
        await using var server = await MariaDbServer.StartAsync(
            new Dictionary<string, string> { ["OPENSSL_CONF"] = openssl }, "--tls-version=TLSv1.1", "--ssl-cipher=ALL:@SECLEVEL=0");
        await using var database = await server.CreateDatabaseAsync();
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT CONCAT(@@have_ssl, ' ', @@tls_version)", connection);
        Assert.Equal("YES TLSv1.1", await command.ExecuteScalarAsync(Cancel));

        var source = new SourceDefinition
        {
            Host = server.Host,
            Port = server.Port,
            Database = database.Name,
            Tls = new SourceTlsDefinition { Mode = SourceTlsMode.VerifyCA, CaFile = server.CaFile },
        };
        // It closes the connection, or sends an alert first.
        AssertSays(await FailsAsync(source), "SourceTlsFailed", MigrationErrorKind.SecurityViolation, "TLS 1.2", "no TLS version");
    }

    /// <summary>Which of them it is depends on how much of the handshake the server had read when it closed the connection.</summary>
    [Theory]
    [InlineData("Received an unexpected EOF or 0 bytes from the transport stream.")]
    [InlineData("Unable to read data from the transport connection: Connection reset by peer.")]
    [InlineData("Unable to write data to the transport connection: Broken pipe.")]
    [InlineData("Cannot determine the frame size or a corrupted frame was received.")]
    public void A_handshake_that_is_broken_off_is_called_so(string said) =>
        Assert.Contains("broke the handshake off", ErrorText.TlsReason(new InvalidOperationException("SSL Authentication Error", new IOException(said))), StringComparison.Ordinal);

    [Fact]
    public async Task A_server_without_a_binlog()
    {
        await using var server = await MariaDbServer.StartAsync("--skip-log-bin");
        await using var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, 100, 1, cancellationToken: Cancel);
        var error = await ExportFailsAsync(new Account(database, "root", ""));
        AssertSays(error, "BinlogDisabled", MigrationErrorKind.WrongState, "log_bin");
    }

    private static async Task<MigrationException> FailsAsync(SourceDefinition source, SourceCredential? credential = null) =>
        await Assert.ThrowsAsync<MigrationException>(() => SourceConnections.OpenAsync(source, credential ?? new SourceCredential("root", ""), null, Cancel));

    private async Task<MigrationException> ExportFailsAsync(Account account)
    {
        var error = await Assert.ThrowsAsync<MigrationException>(() => ExportAsync(account));
        return error;
    }

    private async Task<SnapshotResult> ExportAsync(Account account)
    {
        await using var sample = SampleMigration.Create(account.Database.ConnectionString, (await servers.DynamoDbAsync()).Endpoint);
        await sample.InitializeAsync();
        try
        {
            await using var session = await MigrationSession.ConnectAsync(sample.Definition, account.Credential, SampleMigration.Access, TimeProvider.System, Cancel);
            return await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), Cancel);
        }
        finally
        {
            await sample.DropAsync();
        }
    }

    private static void AssertSays(MigrationException error, string id, MigrationErrorKind kind, params string[] words)
    {
        Assert.Equal((id, kind), (error.ErrorId, error.Kind));
        Assert.All(words, w => Assert.True(error.Message.Contains(w, StringComparison.Ordinal), $"'{w}' is not in: {error.Message}"));
        Assert.DoesNotContain(Password, error.ToString(), StringComparison.Ordinal);
    }

    private async Task<Account> AccountAsync(bool mariaDb)
    {
        var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        var account = new Account(database, database.Name, Password);
        await database.ExecuteAsync($"DROP USER IF EXISTS {account.User}; CREATE USER {account.User} IDENTIFIED BY '{Password}'");
        return account;
    }

    /// <summary>A database and an account of the server.</summary>
    private sealed class Account(TestDatabase database, string name, string password) : IAsyncDisposable
    {
        public TestDatabase Database { get; } = database;

        public string User => $"'{name}'@'%'";

        public SourceCredential Credential { get; } = new(name, password);

        public SourceDefinition Source => new()
        {
            Host = Database.Server.Host,
            Port = Database.Server.Port,
            Database = Database.Name,
            Tls = new SourceTlsDefinition { Mode = SourceTlsMode.None },
        };

        public Task GrantAsync(string privileges) => Database.ExecuteAsync($"GRANT {privileges} TO {User}");

        public async ValueTask DisposeAsync()
        {
            await Database.ExecuteAsync($"DROP USER {User}");
            await Database.DisposeAsync();
        }
    }
}
