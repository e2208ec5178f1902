using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace BillingMigration.Testing.Faults;

public enum ProxiedProtocol
{
    /// <summary>Bytes are bytes: MySQL, or anything.</summary>
    Tcp,

    /// <summary>HTTP/1.1 without TLS: DynamoDB Local.</summary>
    Http,
}

/// <summary>A proxy on loopback in front of a real server, which behaves as badly as it is told.</summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource stop = new();
    private readonly ConcurrentDictionary<Link, Task> links = new();
    private readonly ProxiedProtocol protocol;
    private volatile Tuple<string, int> target;
    private readonly Task accepting;
    private long requests;
    private long connections;

    private FaultProxy(string host, int port, ProxiedProtocol protocol, int listenPort)
    {
        target = Tuple.Create(host, port);
        this.protocol = protocol;
        listener = new TcpListener(IPAddress.Loopback, listenPort);
        listener.Start();
        Faults.ResetRequested += () =>
        {
            foreach (var link in links.Keys)
            {
                link.Reset();
            }
        };
        accepting = AcceptAsync();
    }

    public FaultSwitches Faults { get; } = new();

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public Uri Url => new($"http://127.0.0.1:{Port}");

    /// <summary>HTTP requests received, those with a fault included.</summary>
    public long Requests => Interlocked.Read(ref requests);

    /// <summary>Connections accepted.</summary>
    public long Connections => Interlocked.Read(ref connections);

    /// <param name="listenPort">0: any free port.</param>
    public static FaultProxy Start(string host, int port, ProxiedProtocol protocol, int listenPort = 0) => new(host, port, protocol, listenPort);

    /// <summary>A failover behind the same address: open connections are reset, new ones go to another server.</summary>
    public void PointTo(string host, int port)
    {
        target = Tuple.Create(host, port);
        Faults.ResetConnections();
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await accepting;
        foreach (var link in links.Keys)
        {
            link.Reset();
        }

        await Task.WhenAll(links.Values);
        stop.Dispose();
    }

    internal void CountRequest() => Interlocked.Increment(ref requests);

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptSocketAsync(stop.Token);
                client.NoDelay = true;
                Interlocked.Increment(ref connections);
                var link = new Link(client);
                links[link] = Task.CompletedTask;
                links[link] = ServeAsync(link);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
        {
        }
    }

    private async Task ServeAsync(Link link)
    {
        await Task.Yield();
        try
        {
            if (Faults.RefuseConnections)
            {
                link.Reset();
                return;
            }

            await Faults.PassAsync(stop.Token);
            if (protocol == ProxiedProtocol.Tcp)
            {
                await new RawRelay(link, Faults, await link.ConnectAsync(target.Item1, target.Item2, stop.Token)).RunAsync(stop.Token);
            }
            else
            {
                await new HttpRelay(this, link, target.Item1, target.Item2).RunAsync(stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or IOException or ObjectDisposedException)
        {
            // Either side has gone, or the proxy ends: that is what it is for.
        }
        finally
        {
            link.Dispose();
            links.TryRemove(link, out _);
        }
    }
}

/// <summary>One client connection with the server connection behind it.</summary>
internal sealed class Link(Socket client) : IDisposable
{
    private Socket? server;

    public Socket Client { get; } = client;

    public async Task<Socket> ConnectAsync(string host, int port, CancellationToken cancellationToken)
    {
        server = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await server.ConnectAsync(host, port, cancellationToken);
        return server;
    }

    /// <summary>RST on both sides instead of an orderly end.</summary>
    public void Reset()
    {
        foreach (var socket in new[] { Client, server })
        {
            try
            {
                if (socket is not null)
                {
                    socket.LingerState = new LingerOption(true, 0);
                    socket.Close();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }
    }

    public void Dispose()
    {
        Client.Dispose();
        server?.Dispose();
    }
}
