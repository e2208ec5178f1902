using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using BillingMigration.Definition;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>TLS 1.2 or 1.3 over an open connection, with the server's certificate verified as the definition says.</summary>
internal static class SourceTlsUpgrade
{
    public static async Task<SslStream> AuthenticateAsync(Stream stream, SourceDefinition source, string? baseDirectory, CancellationToken cancellationToken)
    {
        var validator = ServerCertificate.Validator(source, baseDirectory);
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
                    RemoteCertificateValidationCallback = validator,
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
}
