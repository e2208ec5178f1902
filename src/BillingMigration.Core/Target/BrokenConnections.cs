using System.Net.Sockets;

namespace BillingMigration.Target;

/// <summary>
/// Tells the SDK of a connection that was reset, without the <see cref="SocketException"/>: with it, it sends the request again by itself, up to ten
/// times and whatever <c>MaxErrorRetry</c> says
/// (AWSSDK.Core 4.0.102). What is sent again is decided by who knows what it is.
/// </summary>
internal sealed class BrokenConnections(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            var response = await base.SendAsync(request, cancellationToken);
            // The connection may break in the middle of an answer as well.
            await response.Content.LoadIntoBufferAsync().WaitAsync(cancellationToken);
            return response;
        }
        catch (Exception e) when (e is HttpRequestException or IOException && Socket(e) is not null)
        {
            throw new HttpRequestException((e as HttpRequestException)?.HttpRequestError ?? HttpRequestError.Unknown, $"{e.Message} {Socket(e)!.Message}");
        }
    }

    private static SocketException? Socket(Exception? error) => error is null ? null : error as SocketException ?? Socket(error.InnerException);
}
