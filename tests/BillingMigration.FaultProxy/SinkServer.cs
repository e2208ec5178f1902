using System.Net;
using System.Net.Sockets;
using System.Text;

namespace BillingMigration.Testing.Faults;

/// <summary>A DynamoDB that accepts every BatchWriteItem and keeps nothing: what is measured against it is the client alone.</summary>
public sealed class SinkServer : IAsyncDisposable
{
    private const string Answer = "{\"ConsumedCapacity\":[{\"CapacityUnits\":25.0,\"TableName\":\"billing\"}],\"UnprocessedItems\":{}}";

    private static readonly byte[] Accepted = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {Answer.Length}\r\n\r\n{Answer}");

    private readonly TcpListener listener;
    private readonly CancellationTokenSource stop = new();
    private readonly Task accepting;

    private SinkServer(int port)
    {
        listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public static SinkServer Start(int port = 0) => new(port);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptSocketAsync(stop.Token);
                client.NoDelay = true;
                _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    /// <summary>Reads each request to its end without looking at more of it than its length.</summary>
    private async Task ServeAsync(Socket client)
    {
        var buffer = new byte[256 * 1024];
        var have = 0;
        using (client)
        {
            try
            {
                while (true)
                {
                    var read = await client.ReceiveAsync(buffer.AsMemory(have), stop.Token);
                    if (read == 0)
                    {
                        return;
                    }

                    have += read;
                    while (RequestLength(buffer.AsSpan(0, have)) is { } length)
                    {
                        if (length > buffer.Length)
                        {
                            Array.Resize(ref buffer, length * 2);
                        }

                        if (length > have)
                        {
                            break;
                        }

                        buffer.AsSpan(length, have - length).CopyTo(buffer);
                        have -= length;
                        await client.SendAsync(Accepted, stop.Token);
                    }
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
            }
        }
    }

    private static int? RequestLength(ReadOnlySpan<byte> received)
    {
        var head = received.IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            return null;
        }

        var field = received[..head].IndexOf("Content-Length: "u8);
        var body = 0;
        if (field >= 0)
        {
            foreach (var digit in received[(field + 16)..head])
            {
                if (digit is < (byte)'0' or > (byte)'9')
                {
                    break;
                }

                body = body * 10 + digit - '0';
            }
        }

        return head + 4 + body;
    }
}
