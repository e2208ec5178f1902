using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using BillingMigration.Definition;

namespace BillingMigration.Source;

/// <summary>
/// Decides whether the source's certificate is trusted, within the TLS handshake: a server that is not gets no user name and no answer to
/// its authentication. (MySqlConnector's own VerifyCA and VerifyFull come after the login since 2.4, for MariaDB's certificates without
/// authority.)
/// </summary>
internal static class ServerCertificate
{
    // Server authentication; a certificate without extended key usages serves every purpose.
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    /// <returns>Null when the definition wants no TLS.</returns>
    /// <exception cref="MigrationException"><c>SourceTlsFailed</c>: the CA file is not there, or holds no certificate.</exception>
    public static RemoteCertificateValidationCallback? Validator(SourceDefinition source, string? baseDirectory)
    {
        if (source.Tls.Mode == SourceTlsMode.None)
        {
            return null;
        }

        var ignored = source.Tls.Mode == SourceTlsMode.VerifyCA ? SslPolicyErrors.RemoteCertificateNameMismatch : SslPolicyErrors.None;
        if (source.Tls.CaFile is not { } caFile)
        {
            return (_, _, chain, errors) => (errors & ~ignored) == SslPolicyErrors.None ? true : throw Untrusted(errors & ~ignored, chain);
        }

        var authorities = Load(source, Path.Combine(baseDirectory ?? Environment.CurrentDirectory, caFile));
        return (_, certificate, chain, errors) => (errors & ~ignored & ~SslPolicyErrors.RemoteCertificateChainErrors) is var others and not SslPolicyErrors.None
            ? throw Untrusted(others, null)
            : certificate is X509Certificate2 server && IsSignedBy(authorities, server, chain);
    }

    private static X509Certificate2Collection Load(SourceDefinition source, string path)
    {
        var found = new X509Certificate2Collection();
        try
        {
            found.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw SourceErrors.CaFileUnreadable(source, path, e.Message, e);
        }

        return found.Count > 0 ? found : throw SourceErrors.CaFileUnreadable(source, path, "it holds no PEM certificate.", null);
    }

    private static bool IsSignedBy(X509Certificate2Collection authorities, X509Certificate2 server, X509Chain? sent)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        if (sent is not null)
        {
            chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        }

        return chain.Build(server) ? true : throw Untrusted(SslPolicyErrors.RemoteCertificateChainErrors, chain);
    }

    /// <summary>Says why; a callback's false says nothing.</summary>
    private static AuthenticationException Untrusted(SslPolicyErrors errors, X509Chain? chain) =>
        new($"{errors} {string.Join(' ', chain?.ChainStatus.Select(s => s.Status) ?? [])}");
}
