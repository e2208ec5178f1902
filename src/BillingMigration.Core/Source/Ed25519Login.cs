using System.Text;
using BillingMigration.Source.Binlog.Wire;
using MySqlConnector.Authentication;

namespace BillingMigration.Source;

/// <summary>MariaDB's client_ed25519 for the connections of MySqlConnector, which knows it only by a plugin: https://mariadb.com/kb/en/authentication-plugin-ed25519/</summary>
internal sealed class Ed25519Login : IAuthenticationPlugin3
{
    private const int NonceLength = 32;

    public string Name => AuthAnswers.Ed25519Plugin;

    public byte[] CreateResponse(string password, ReadOnlySpan<byte> authenticationData)
    {
        CreateResponseAndPasswordHash(password, authenticationData, out var response, out _);
        return response;
    }

    public void CreateResponseAndPasswordHash(string password, ReadOnlySpan<byte> authenticationData, out byte[] authenticationResponse, out byte[] passwordHash) =>
        authenticationResponse = Ed25519.Sign(Encoding.UTF8.GetBytes(password), authenticationData[..NonceLength], out passwordHash);
}
