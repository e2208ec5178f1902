using System.Text;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>An ERR packet: the server's own code and words.</summary>
internal sealed class ServerErrorException(int code, string sqlState, string message) : Exception(message)
{
    public const byte Marker = 0xff;

    public int Code => code;

    public string SqlState => sqlState;

    /// <param name="payload">With its marker. Before the login is over the server may leave out the state.</param>
    public static ServerErrorException From(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        reader.Byte();
        var code = reader.UInt16();
        var rest = reader.Rest();
        var state = "";
        if (rest.Length >= 6 && rest[0] == '#')
        {
            state = Encoding.ASCII.GetString(rest[1..6]);
            rest = rest[6..];
        }

        return new ServerErrorException(code, state, Encoding.UTF8.GetString(rest));
    }
}
