using System.Net;
using System.Net.Sockets;
using BillingMigration.Testing.Faults;
using Xunit;

namespace BillingMigration.Tests.Faults;

/// <summary>The proxy in front of a server that sends every byte back.</summary>
public sealed class RawRelayTests : IAsyncLifetime
{
    private readonly TcpListener echo = new(IPAddress.Loopback, 0);
    private FaultProxy proxy = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        echo.Start();
        _ = ServeAsync();
        proxy = FaultProxy.Start("127.0.0.1", ((IPEndPoint)echo.LocalEndpoint).Port, ProxiedProtocol.Tcp);
        return ValueTask.CompletedTask;

        async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    var client = await echo.AcceptTcpClientAsync();
                    _ = client.GetStream().CopyToAsync(client.GetStream()).ContinueWith(_ => client.Dispose(), TaskScheduler.Default);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await proxy.DisposeAsync();
        echo.Stop();
    }

    [Fact]
    public async Task Bytes_pass_unchanged_and_an_orderly_end_is_passed_on()
    {
        using var client = await ConnectAsync();
        var sent = new byte[300_000];
        new Random(1).NextBytes(sent);
        var writing = client.GetStream().WriteAsync(sent, Token).AsTask().ContinueWith(_ => client.Client.Shutdown(SocketShutdown.Send), TaskScheduler.Default);
        var received = new MemoryStream();
        await client.GetStream().CopyToAsync(received, Token);
        await writing;
        Assert.Equal(sent, received.ToArray());
    }

    [Fact]
    public async Task What_is_delayed_arrives_whole()
    {
        proxy.Faults.Latency = TimeSpan.FromMilliseconds(100);
        using var client = await ConnectAsync();
        await EchoAsync(client, 1);
    }

    [Fact]
    public async Task What_is_slowed_arrives_whole()
    {
        proxy.Faults.BytesPerSecond = 100_000;
        using var client = await ConnectAsync();
        await EchoAsync(client, 50_000);
    }

    [Fact]
    public async Task A_black_hole_is_silent_and_goes_on_when_it_closes()
    {
        using var client = await ConnectAsync();
        await EchoAsync(client, 10);
        proxy.Faults.BlackHole = true;
        var echoed = EchoAsync(client, 10);
        using var second = await ConnectAsync();
        using var gaveUp = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.GetStream().ReadExactlyAsync(new byte[1], gaveUp.Token).AsTask());
        Assert.False(echoed.IsCompleted);
        proxy.Faults.BlackHole = false;
        await echoed;
    }

    [Fact]
    public async Task Connections_are_reset_on_demand_on_arrival_and_after_some_bytes()
    {
        using var open = await ConnectAsync();
        await EchoAsync(open, 10);
        proxy.Faults.ResetConnections();
        await Assert.ThrowsAnyAsync<IOException>(() => EchoAsync(open, 10));

        proxy.Faults.ResetAfterBytes = 1000;
        using var some = await ConnectAsync();
        await EchoAsync(some, 900);
        await Assert.ThrowsAnyAsync<IOException>(() => EchoAsync(some, 200));

        proxy.Faults.RefuseConnections = true;
        // Whether the connection itself or the first use of it fails depends on which of the two is faster.
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            using var refused = await ConnectAsync();
            await EchoAsync(refused, 1);
        });

        proxy.Faults.Clear();
        using var again = await ConnectAsync();
        await EchoAsync(again, 2000);
    }

    private async Task<TcpClient> ConnectAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, proxy.Port, Token);
        return client;
    }

    private static async Task EchoAsync(TcpClient client, int length)
    {
        await client.GetStream().WriteAsync(new byte[length], Token);
        await client.GetStream().ReadExactlyAsync(new byte[length], Token);
    }
}
