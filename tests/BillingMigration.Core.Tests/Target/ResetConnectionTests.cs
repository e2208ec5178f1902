using System.Net;
using System.Net.Sockets;
using BillingMigration.Transfer;

namespace BillingMigration.Tests.Target;

public sealed class ResetConnectionTests
{
    private const int Connections = 2_000;

    /// <summary>The SDK tries again what comes as an error of HTTP; a bare one of the socket it hands to the caller.</summary>
    [Fact]
    public async Task A_connection_that_is_reset_as_soon_as_it_is_made_is_an_error_of_HTTP()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(512);
        var endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        var resetting = ResetAsync(listener);
        using (var http = new HttpMessageInvoker(DynamoDbHttp.CreateHandler(endpoint, TimeSpan.FromSeconds(5))))
        {
            await Parallel.ForEachAsync(
                Enumerable.Range(0, Connections), TestContext.Current.CancellationToken,
                async (_, token) =>
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new StringContent("{}") };
                    await Assert.ThrowsAsync<HttpRequestException>(() => http.SendAsync(request, token));
                });
        }

        listener.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => resetting);
    }

    private static async Task ResetAsync(TcpListener listener)
    {
        while (true)
        {
            using var socket = await listener.AcceptSocketAsync(TestContext.Current.CancellationToken);
            socket.LingerState = new LingerOption(true, 0);
        }
    }
}
