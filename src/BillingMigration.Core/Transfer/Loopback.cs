using System.Net;

namespace BillingMigration.Transfer;

/// <summary>Which addresses are of this machine itself: the only ones that may be spoken to without TLS.</summary>
public static class Loopback
{
    /// <param name="host">Host name or IP address, IPv6 with or without brackets.</param>
    public static bool Is(string host) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
