namespace BillingMigration;

/// <summary>What servers and the runtime say of an error, made fit to stand in a message of ours.</summary>
internal static class ErrorText
{
    // Parts of what .NET and OpenSSL say, and what it means to who runs a migration.
    private static readonly (string[] Marks, string Meaning)[] TlsTrouble =
    [
        (["RemoteCertificateNotAvailable"], "the server has sent no certificate"),
        (["RemoteCertificateNameMismatch"], "its certificate is for another host name"),
        (["NotTimeValid"], "its certificate, or that of its authority, has expired or is not valid yet"),
        (["Revoked"], "its certificate was revoked"),
        (["UntrustedRoot", "PartialChain", "RemoteCertificateChainErrors", "RemoteCertificateValidationCallback"], "its certificate is signed by no authority that is trusted here"),
        (["protocol version", "unsupported protocol", "no protocols available", "handshake failure"], "both sides have no TLS version and cipher in common"),
        (["unexpected EOF", "connection reset", "broken pipe", "frame size", "wrong version number"], "what answers there broke the handshake off: it has no TLS version in common, or does not speak TLS"),
    ];

    /// <summary>With a full stop at its end, whatever it has there.</summary>
    public static string Sentence(string text) => text.TrimEnd('.', ' ') + ".";

    public static string Sentence(Exception error) => Sentence(error.Message);

    /// <summary>The innermost cause.</summary>
    public static string Innermost(Exception error) => Chain(error).Last().Message;

    /// <summary>The innermost cause, as a sentence.</summary>
    public static string Reason(Exception error) => Sentence(Innermost(error));

    /// <summary>Why no TLS connection came about, in a part of a sentence.</summary>
    public static string TlsReason(Exception error)
    {
        var said = string.Join(' ', Chain(error).Select(e => e.Message));
        return Array.Find(TlsTrouble, t => Array.Exists(t.Marks, m => said.Contains(m, StringComparison.OrdinalIgnoreCase))).Meaning ?? Innermost(error).TrimEnd('.', ' ');
    }

    public static IEnumerable<Exception> Chain(Exception error)
    {
        for (Exception? e = error; e is not null; e = e.InnerException)
        {
            yield return e;
        }
    }
}
