using System.Security.Authentication;
using System.Text;
using BillingMigration.Definition;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// The connection phase: handshake, TLS, authentication.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
/// </summary>
internal sealed class ServerLogin(PacketStream packets, SourceDefinition source, SourceCredential credential)
{
    private const byte Ok = 0x00;
    private const byte AuthMoreData = 0x01;
    private const byte AuthSwitch = 0xfe;
    private const byte FastAuthDone = 3;
    private const byte FullAuthNeeded = 4;
    private const byte PublicKeyRequest = 2;

    // utf8mb4_general_ci, which every supported server knows.
    private const byte Utf8Mb4 = 45;

    // A server that goes on asking is not a server.
    private const int MaxRounds = 8;

    private bool secured;

    /// <summary>True when everything after the login is compressed.</summary>
    public bool Compressed { get; private set; }

    /// <param name="upgrade">Puts TLS over the open connection.</param>
    public async Task<ServerHandshake> RunAsync(Func<CancellationToken, Task<Stream>> upgrade, CancellationToken cancellationToken)
    {
        var handshake = ServerHandshake.Read((await packets.ReadAsync(cancellationToken)).Span);
        var capabilities = Capabilities.LongPassword | Capabilities.LongFlag | Capabilities.Protocol41 | Capabilities.Transactions
            | Capabilities.SecureConnection | Capabilities.PluginAuth | (handshake.Capabilities & (Capabilities.ConnectAttributes | Capabilities.PluginAuthLengthEncoded));
        if (source.Compression)
        {
            capabilities |= handshake.Capabilities & Capabilities.Compress;
        }

        if (source.Tls.Mode != SourceTlsMode.None)
        {
            if ((handshake.Capabilities & Capabilities.Ssl) == 0)
            {
                throw new AuthenticationException("the server offers no TLS");
            }

            capabilities |= Capabilities.Ssl;
            await packets.WriteAsync(Head(capabilities).Written, cancellationToken);
            packets.Upgrade(await upgrade(cancellationToken));
            secured = true;
        }

        // The plugin named first is only the server's default: it goes over to the account's own.
        var plugin = handshake.AuthPlugin == AuthAnswers.CachingSha2 ? AuthAnswers.CachingSha2 : AuthAnswers.Native;
        await packets.WriteAsync(Response(capabilities, plugin, handshake.Nonce).Written, cancellationToken);
        await AuthenticateAsync(plugin, handshake.Nonce, cancellationToken);
        Compressed = (capabilities & Capabilities.Compress) != 0;
        return handshake;
    }

    private static PayloadWriter Head(Capabilities capabilities) =>
        new PayloadWriter().UInt32((uint)capabilities).UInt32(PacketStream.MaxPacket).Byte(Utf8Mb4).Bytes(new byte[23]);

    private PayloadWriter Response(Capabilities capabilities, string plugin, byte[] nonce)
    {
        var answer = AuthAnswers.Find(plugin, credential.Password, nonce) ?? [];
        var writer = Head(capabilities).NullTerminated(credential.UserName);
        // At most 64 bytes, which both forms of the length write the same way.
        writer.LengthEncodedBytes(answer).NullTerminated(plugin);
        if ((capabilities & Capabilities.ConnectAttributes) != 0)
        {
            var attributes = new PayloadWriter().LengthEncodedText("program_name").LengthEncodedText("BillingMigration")
                .LengthEncodedText("_client_name").LengthEncodedText("BillingMigration.Binlog");
            writer.LengthEncodedBytes(attributes.Written.Span);
        }

        return writer;
    }

    private async Task AuthenticateAsync(string plugin, byte[] nonce, CancellationToken cancellationToken)
    {
        for (var round = 0; round < MaxRounds; round++)
        {
            var payload = await packets.ReadAsync(cancellationToken);
            switch (payload.IsEmpty ? Ok + 256 : payload.Span[0])
            {
                case Ok:
                    return;
                case ServerErrorException.Marker:
                    throw ServerErrorException.From(payload.Span);
                case AuthSwitch:
                    (plugin, nonce) = ReadSwitch(payload.Span);
                    await packets.WriteAsync(AnswerOf(plugin, nonce), cancellationToken);
                    break;
                case AuthMoreData when plugin == AuthAnswers.CachingSha2:
                    await ContinueCachingSha2Async(payload[1..], nonce, cancellationToken);
                    break;
                default:
                    throw WireErrors.Malformed("an answer to the login that has no meaning");
            }
        }

        throw WireErrors.Malformed("a login without an end");
    }

    private byte[] AnswerOf(string plugin, byte[] nonce) =>
        AuthAnswers.Find(plugin, credential.Password, nonce) ?? throw new MigrationException(
            "SourceAuthenticationUnsupported", MigrationErrorKind.AuthenticationFailed,
            $"The source account {credential.UserName} logs in with the plugin {plugin}, which is not supported for the binlog. Use an account with caching_sha2_password, mysql_native_password or (MariaDB) ed25519.", plugin);

    private static (string Plugin, byte[] Nonce) ReadSwitch(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        reader.Byte();
        if (reader.IsEmpty)
        {
            return ("mysql_old_password", []);
        }

        var plugin = Encoding.ASCII.GetString(reader.NullTerminated());
        var data = reader.Rest();
        return (plugin, (data.Length > 0 && data[^1] == 0 && data.Length is 21 or 33 ? data[..^1] : data).ToArray());
    }

    // https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
    private async Task ContinueCachingSha2Async(ReadOnlyMemory<byte> data, byte[] nonce, CancellationToken cancellationToken)
    {
        switch (data.Length == 1 ? data.Span[0] : 0)
        {
            case FastAuthDone:
                return;
            case FullAuthNeeded when secured:
                await packets.WriteAsync(AuthAnswers.ClearText(credential.Password), cancellationToken);
                return;
            case FullAuthNeeded when nonce.Length > 0:
                // Only on loopback: elsewhere there is no way around TLS, so nobody in between can offer a key of his own.
                await packets.WriteAsync(new[] { PublicKeyRequest }, cancellationToken);
                var key = await packets.ReadAsync(cancellationToken);
                if (!key.IsEmpty && key.Span[0] == ServerErrorException.Marker)
                {
                    throw ServerErrorException.From(key.Span);
                }

                if (key.Length < 2 || key.Span[0] != AuthMoreData)
                {
                    throw WireErrors.Malformed("no public key");
                }

                await packets.WriteAsync(AuthAnswers.Encrypt(credential.Password, nonce, key.Span[1..]), cancellationToken);
                return;
            default:
                throw WireErrors.Malformed("a step of caching_sha2_password that has no meaning");
        }
    }
}
