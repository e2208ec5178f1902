using System.Text;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>
/// What the server says first.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
/// </summary>
/// <param name="Version">As the server names itself; MariaDB up to 10.11 puts <c>5.5.5-</c> before it.</param>
/// <param name="Nonce">20 bytes to be mixed into the answer.</param>
internal sealed record ServerHandshake(string Version, uint ConnectionId, Capabilities Capabilities, string AuthPlugin, byte[] Nonce)
{
    private const int FirstNoncePart = 8;
    private const int NonceLength = 20;

    public bool IsMariaDb => Version.Contains("MariaDB", StringComparison.OrdinalIgnoreCase);

    public static ServerHandshake Read(ReadOnlySpan<byte> payload)
    {
        if (!payload.IsEmpty && payload[0] == ServerErrorException.Marker)
        {
            throw ServerErrorException.From(payload);
        }

        var reader = new PayloadReader(payload);
        var protocol = reader.Byte();
        if (protocol != 10)
        {
            throw WireErrors.Malformed($"handshake of version {protocol}, not 10");
        }

        var version = Encoding.UTF8.GetString(reader.NullTerminated());
        var connection = reader.UInt32();
        var nonce = new byte[NonceLength];
        reader.Bytes(FirstNoncePart).CopyTo(nonce);
        reader.Byte();
        uint capabilities = reader.UInt16();
        reader.Byte(); // character set
        reader.UInt16(); // status
        capabilities |= (uint)reader.UInt16() << 16;
        reader.Byte(); // length of the whole nonce with its zero
        reader.Bytes(10); // unused; MariaDB's own capabilities
        const Capabilities Needed = Capabilities.Protocol41 | Capabilities.SecureConnection | Capabilities.PluginAuth;
        if (((Capabilities)capabilities & Needed) != Needed)
        {
            throw new MigrationException(
                "SourceTooOld", MigrationErrorKind.WrongState,
                $"The source (version {version}) does not offer pluggable authentication. Use MySQL 5.7 or later, or MariaDB 10.5 or later.", version);
        }

        reader.Bytes(NonceLength - FirstNoncePart).CopyTo(nonce.AsSpan(FirstNoncePart));
        reader.Byte();
        return new ServerHandshake(version, connection, (Capabilities)capabilities, Encoding.ASCII.GetString(reader.NullTerminated()), nonce);
    }
}

/// <summary>https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html</summary>
[Flags]
internal enum Capabilities : uint
{
    LongPassword = 1,
    LongFlag = 1 << 2,
    Compress = 1 << 5,
    Protocol41 = 1 << 9,
    Ssl = 1 << 11,
    Transactions = 1 << 13,
    SecureConnection = 1 << 15,
    PluginAuth = 1 << 19,
    ConnectAttributes = 1 << 20,
    PluginAuthLengthEncoded = 1 << 21,
}
