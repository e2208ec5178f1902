using System.Security.Authentication;
using BillingMigration.Definition;
using BillingMigration.Source.Binlog.Wire;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>What goes wrong with the source, in words for the operator.</summary>
public static class SourceErrors
{
    public static MigrationException TlsRequired(SourceDefinition source) => new(
        "SourceTlsRequired", MigrationErrorKind.SecurityViolation,
        $"The source {source.Host}:{source.Port} is not on this machine, and \"tls\": {{ \"mode\": \"None\" }} would send rows in clear. Set the mode to VerifyFull (or VerifyCA for MySQL's automatic certificates) in migration.json.",
        source.Host);

    public static MigrationException CaFileUnreadable(SourceDefinition source, string path, string why, Exception? cause) => new(
        "SourceTlsFailed", MigrationErrorKind.SecurityViolation,
        $"The CA file '{path}' of the source {source.Host}:{source.Port} cannot be read: {why} Put the certificate of the authority that signed the server's there (on the server: SELECT @@ssl_ca), or correct \"caFile\".",
        path, cause);

    /// <summary>Names the cause of a failed connection attempt.</summary>
    public static MigrationException FromConnect(Exception error, SourceDefinition source)
    {
        var place = $"{source.Host}:{source.Port}";
        if (error is MigrationException known)
        {
            return known;
        }

        if (ErrorText.Chain(error).Any(e => e is AuthenticationException or System.Security.Cryptography.CryptographicException)
            || error.Message.Contains("SSL", StringComparison.Ordinal))
        {
            return new MigrationException(
                "SourceTlsFailed", MigrationErrorKind.SecurityViolation,
                $"No trusted TLS 1.2 or 1.3 connection to the source {place} could be made (mode {source.Tls.Mode}, CA file {source.Tls.CaFile ?? "none: the machine's trust store"}): {ErrorText.TlsReason(error)}. "
                + "Check that the server offers TLS 1.2 or later, that \"caFile\" is the authority that signed its certificate, and that the host name is in the certificate (MySQL's automatic certificates carry no name: use VerifyCA).",
                place, error);
        }

        return error switch
        {
            MySqlException mysql => FromServer(mysql.ErrorCode, mysql, source, place),
            ServerErrorException server => FromServer((MySqlErrorCode)server.Code, server, source, place),
            NotSupportedException => new MigrationException(
                "SourceLoginUnsupported", MigrationErrorKind.AuthenticationFailed,
                $"The account logs in to the source {place} by a plugin that is not supported (SHOW CREATE USER tells which). Give it another: ALTER USER … IDENTIFIED WITH caching_sha2_password BY … (MariaDB: IDENTIFIED VIA ed25519 USING PASSWORD(…)).",
                place, error),
            _ => Unreachable(place, error),
        };
    }

    /// <summary>Names the cause of a failed statement; null for what is worth another attempt (a lost connection).</summary>
    public static MigrationException? FromStatement(MySqlException error, string table) => error.ErrorCode switch
    {
        MySqlErrorCode.NoSuchTable => new MigrationException(
            "SourceTableNotFound", MigrationErrorKind.NotFound,
            $"The source has no table {table}. Correct \"table\" in migration.json, or connect to the right database.", table, error),
        MySqlErrorCode.TableAccessDenied or MySqlErrorCode.ColumnAccessDenied => new MigrationException(
            "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
            $"The source account may not read {table}: {ErrorText.Sentence(error)} Grant it: GRANT SELECT ON {table} TO the account.", table, error),
        MySqlErrorCode.BadFieldError => new MigrationException(
            "SourceColumnNotFound", MigrationErrorKind.NotFound,
            $"A column of {table} is gone since the schema was read: {ErrorText.Sentence(error)} Connect again; if the column was dropped on purpose, begin a new snapshot with -Restart.", table, error),
        _ when IsTransient(error) => null,
        _ when IsOfAccount(error) => FromNumber((int)error.ErrorCode, error, $"that has {table}"),
        _ => new MigrationException(
            "SourceStatementFailed", MigrationErrorKind.Unexpected,
            $"The source refused to read {table}: {error.Message.TrimEnd('.')} (error {(int)error.ErrorCode}). Remove the cause and run the same command again: it goes on from the last checkpoint.", table, error),
    };

    /// <summary>Runs a job whose connections to the source may break where nobody waits for them: that too has a name.</summary>
    internal static async Task<T> NameBrokenAsync<T>(SourceDefinition source, Func<Task<T>> job, CancellationToken cancellationToken)
    {
        try
        {
            return await job();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is MySqlException or System.Net.Sockets.SocketException or IOException && IsTransient(e))
        {
            throw new MigrationException(
                "SourceLost", MigrationErrorKind.Unreachable,
                $"The connection to the source {source.Host}:{source.Port} broke: {ErrorText.Reason(e)} Everything written is checkpointed; run the same command again.", source.Host, e);
        }
    }

    /// <inheritdoc cref="NameBrokenAsync{T}"/>
    internal static Task NameBrokenAsync(SourceDefinition source, Func<Task> job, CancellationToken cancellationToken) => NameBrokenAsync(
        source,
        async () =>
        {
            await job();
            return true;
        },
        cancellationToken);

    public static bool IsTransient(Exception error) => error switch
    {
        MySqlException mysql => mysql.IsTransient || mysql.ErrorCode is MySqlErrorCode.None or MySqlErrorCode.UnableToConnectToHost
            or MySqlErrorCode.ServerShutdown or MySqlErrorCode.QueryInterrupted or MySqlErrorCode.CommandTimeoutExpired
            or MySqlErrorCode.ConnectionCountError or (MySqlErrorCode)4031,
        IOException or System.Net.Sockets.SocketException or ObjectDisposedException or EndOfStreamException => true,
        MigrationException { Kind: MigrationErrorKind.Unreachable } => true,
        _ => false,
    };

    /// <summary>ER_USER_LIMIT_REACHED, ER_MUST_CHANGE_PASSWORD: an account that was let in, and may not go on.</summary>
    internal static bool IsOfAccount(MySqlException error) => (int)error.ErrorCode is 1226 or 1820;

    /// <summary>True when the server takes no writes from this account now: it is read-only, or the account is locked.</summary>
    public static bool IsFenced(Exception error) => error switch
    {
        // ER_OPTION_PREVENTS_STATEMENT, ER_READ_ONLY_MODE, ER_ACCOUNT_HAS_BEEN_LOCKED of MySQL and of MariaDB.
        MySqlException mysql => (int)mysql.ErrorCode is 1290 or 1836 or 3118 or 4151,
        MigrationException { InnerException: { } inner } => IsFenced(inner),
        _ => false,
    };

    private static MigrationException FromServer(MySqlErrorCode code, Exception error, SourceDefinition source, string place) => code switch
    {
        MySqlErrorCode.AccessDenied => new MigrationException(
            "SourceLoginRefused", MigrationErrorKind.AuthenticationFailed,
            $"The source {place} refused the user name or password: {ErrorText.Sentence(error)} Check -SourceCredential, and that the account may log in from this machine.", place, error),
        MySqlErrorCode.DatabaseAccessDenied => new MigrationException(
            "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
            $"The source account may not use the database {source.Database}, or there is none of that name: {ErrorText.Sentence(error)} Look whether \"source\": {{ \"database\" }} in migration.json is spelt as on the server (case may matter); if it is, GRANT SELECT ON {SelectStatement.Name(source.Database)}.* TO the account.", source.Database, error),
        MySqlErrorCode.UnknownDatabase => new MigrationException(
            "SourceDatabaseNotFound", MigrationErrorKind.NotFound,
            $"The source {place} has no database {source.Database}. Correct \"source\": {{ \"database\" }} in migration.json.", source.Database, error),
        _ => FromNumber((int)code, error, place),
    };

    /// <summary>Accounts and limits, by the numbers of the servers' message files: MySQL's share/messages_to_clients.txt, MariaDB's sql/share/errmsg-utf8.txt.</summary>
    private static MigrationException FromNumber(int number, Exception error, string place) => number switch
    {
        // ER_ACCOUNT_HAS_BEEN_LOCKED of both, and MySQL's ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK.
        3118 or 4151 or 3955 => new MigrationException(
            "SourceAccountLocked", MigrationErrorKind.AuthenticationFailed,
            $"The account of the source {place} is locked: {ErrorText.Sentence(error)} ALTER USER … ACCOUNT UNLOCK, and run the same command again.", place, error),
        // ER_MUST_CHANGE_PASSWORD, ER_MUST_CHANGE_PASSWORD_LOGIN.
        1820 or 1862 => new MigrationException(
            "SourcePasswordExpired", MigrationErrorKind.AuthenticationFailed,
            $"The password of the source account has expired on {place}: {ErrorText.Sentence(error)} ALTER USER … IDENTIFIED BY …, or PASSWORD EXPIRE NEVER, and connect with the new one.", place, error),
        // ER_USER_LIMIT_REACHED: queries, updates or connections per hour.
        1226 => new MigrationException(
            "SourceAccountLimit", MigrationErrorKind.LimitExceeded,
            $"The source account has reached a limit of its own on {place}: {ErrorText.Sentence(error)} Lift it (ALTER USER … WITH MAX_QUERIES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0), and run the same command again.", place, error),
        // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS: they pass by themselves.
        1040 or 1203 => new MigrationException(
            "SourceTooManyConnections", MigrationErrorKind.Unreachable,
            $"The source {place} takes no more connections: {ErrorText.Sentence(error)} Raise max_connections (max_user_connections), or let fewer connect: \"throttle\": {{ \"readers\" }} in migration.json.", place, error),
        // ER_HOST_IS_BLOCKED, ER_HOST_NOT_PRIVILEGED.
        1129 => new MigrationException(
            "SourceHostBlocked", MigrationErrorKind.AuthenticationFailed,
            $"The source {place} has blocked this machine after connections that broke: {ErrorText.Sentence(error)} On the server: TRUNCATE TABLE performance_schema.host_cache (MariaDB: FLUSH HOSTS).", place, error),
        1130 => new MigrationException(
            "SourceLoginRefused", MigrationErrorKind.AuthenticationFailed,
            $"The source {place} has no account that may log in from this machine: {ErrorText.Sentence(error)} Look at the host of the account (CREATE USER 'name'@'host'), and at what address this machine has for the server.", place, error),
        _ => Unreachable(place, error),
    };

    private static MigrationException Unreachable(string place, Exception error) => new(
        "SourceUnreachable", MigrationErrorKind.Unreachable,
        $"The source {place} cannot be reached: {ErrorText.Reason(error)} Check host and port in migration.json, that the server runs, and the way to it (VPN, firewall).", place, error);

    public static MigrationException ForeignKeysUnknown(Model.TableSchema child, string key, string database, string parent) => new(
        "ForeignKeysUnknown", MigrationErrorKind.PermissionDenied,
        $"The foreign key {key} of {child.Name} changes rows when its parent {database}.{parent} changes, and that table is not visible to the source account: which changes reach {child.Name} cannot be told. GRANT SELECT ON {SelectStatement.Name(database)}.{SelectStatement.Name(parent)} to the account.",
        $"{database}.{parent}");
}
