using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;

namespace BillingMigration.Testing.Faults;

/// <summary>Passes bytes both ways. Latency delays them without narrowing the pipe: what is under way queues up.</summary>
internal sealed class RawRelay(Link link, FaultSwitches faults, Socket server)
{
    private long fromServer;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var up = PumpAsync(link.Client, server, countsAsServer: false, both.Token);
        var down = PumpAsync(server, link.Client, countsAsServer: true, both.Token);

        // An orderly end of one side is passed on by its pump; trouble on one side ends both.
        if ((await Task.WhenAny(up, down)).IsFaulted)
        {
            link.Reset();
        }

        await Task.WhenAll(up, down);
    }

    private async Task PumpAsync(Socket from, Socket to, bool countsAsServer, CancellationToken cancellationToken)
    {
        var queue = Channel.CreateBounded<(byte[] Data, long Due)>(256);
        var reading = ReadAsync();
        await foreach (var (data, due) in queue.Reader.ReadAllAsync(cancellationToken))
        {
            var wait = due - Stopwatch.GetTimestamp();
            if (wait > 0)
            {
                await Task.Delay(TimeSpan.FromSeconds((double)wait / Stopwatch.Frequency), cancellationToken);
            }

            await faults.PassAsync(cancellationToken);
            if (faults.BytesPerSecond is { } rate)
            {
                await Task.Delay(TimeSpan.FromSeconds((double)data.Length / rate), cancellationToken);
            }

            if (countsAsServer && faults.ResetAfterBytes is { } most && Interlocked.Add(ref fromServer, data.Length) > most)
            {
                link.Reset();
                return;
            }

            await SendAllAsync(to, data, cancellationToken);
        }

        await reading;
        to.Shutdown(SocketShutdown.Send);

        async Task ReadAsync()
        {
            var buffer = new byte[32 * 1024];
            try
            {
                while (true)
                {
                    var size = faults.Link is not null ? SharedLink.Piece : faults.BytesPerSecond is { } rate ? (int)Math.Clamp(rate / 20, 1, buffer.Length) : buffer.Length;
                    var read = await from.ReceiveAsync(buffer.AsMemory(0, size), cancellationToken);
                    if (read == 0)
                    {
                        queue.Writer.Complete();
                        return;
                    }

                    if (faults.Link is { } shared)
                    {
                        await shared.PassAsync(read, toServer: !countsAsServer, cancellationToken);
                    }

                    var due = Stopwatch.GetTimestamp() + (long)(faults.Latency.TotalSeconds * Stopwatch.Frequency);
                    await queue.Writer.WriteAsync((buffer[..read], due), cancellationToken);
                }
            }
            catch (Exception e)
            {
                queue.Writer.TryComplete(e);
            }
        }
    }

    private static async Task SendAllAsync(Socket to, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (!data.IsEmpty)
        {
            data = data[await to.SendAsync(data, cancellationToken)..];
        }
    }
}
