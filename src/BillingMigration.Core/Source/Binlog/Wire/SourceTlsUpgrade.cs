using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using BillingMigration.Definition;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>TLS 1.2 or 1.3 over an open connection, with the server's certificate verified as the definition says.</summary>
internal static class SourceTlsUpgrade
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    public static async Task<SslStream> AuthenticateAsync(Stream stream, SourceDefinition source, string? baseDirectory, CancellationToken cancellationToken)
    {
        var authorities = source.Tls.CaFile is { } file ? ReadAuthorities(Path.Combine(baseDirectory ?? Environment.CurrentDirectory, file)) : null;
        var secured = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await secured.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = source.Host.Trim('[', ']'),
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    // Certificates of servers on private networks name no revocation service that could be reached.
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(certificate, chain, errors, source.Tls.Mode, authorities),
                },
                cancellationToken);
            return secured;
        }
        catch
        {
            await secured.DisposeAsync();
            throw;
        }
    }

    private static bool IsTrusted(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, SourceTlsMode mode, X509Certificate2Collection? authorities)
    {
        if (certificate is null || (errors & SslPolicyErrors.RemoteCertificateNotAvailable) != 0)
        {
            return false;
        }

        if (mode != SourceTlsMode.VerifyCA && (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
        {
            return false;
        }

        return authorities is null ? (errors & SslPolicyErrors.RemoteCertificateChainErrors) == 0 : LeadsTo(authorities, certificate, chain);
    }

    private static bool LeadsTo(X509Certificate2Collection authorities, X509Certificate certificate, X509Chain? received)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        if (received is not null)
        {
            // Authorities in between, which the server may have sent.
            chain.ChainPolicy.ExtraStore.AddRange(received.ChainPolicy.ExtraStore);
        }

        using var leaf = new X509Certificate2(certificate);
        return chain.Build(leaf);
    }

    private static X509Certificate2Collection ReadAuthorities(string file)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        return authorities.Count > 0 ? authorities : throw new CryptographicException($"the CA file {file} holds no certificate");
    }
}
