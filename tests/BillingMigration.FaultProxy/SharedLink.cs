using System.Diagnostics;

namespace BillingMigration.Testing.Faults;

/// <summary>A narrow way that all connections of one or more proxies share, each direction for itself. What waits is passed in the order in which it came, a few kilobytes of each connection at a time.</summary>
/// <param name="bytesPerSecond">Of each direction.</param>
public sealed class SharedLink(long bytesPerSecond)
{
    internal const int Piece = 4096;

    private readonly Direction up = new(bytesPerSecond);
    private readonly Direction down = new(bytesPerSecond);

    /// <summary>Bytes that were sent to the servers.</summary>
    public long BytesUp => up.Bytes;

    /// <summary>Bytes that came from the servers.</summary>
    public long BytesDown => down.Bytes;

    /// <summary>Returns when so many bytes are through.</summary>
    internal async Task PassAsync(int bytes, bool toServer, CancellationToken cancellationToken)
    {
        var direction = toServer ? up : down;
        for (var left = bytes; left > 0; left -= Piece)
        {
            await direction.PassAsync(Math.Min(left, Piece), cancellationToken);
        }
    }

    private sealed class Direction(long bytesPerSecond)
    {
        private readonly object gate = new();
        private long freeAt = Stopwatch.GetTimestamp();
        private long bytes;

        public long Bytes => Interlocked.Read(ref bytes);

        public Task PassAsync(int count, CancellationToken cancellationToken)
        {
            TimeSpan wait;
            lock (gate)
            {
                var now = Stopwatch.GetTimestamp();
                freeAt = Math.Max(freeAt, now) + count * Stopwatch.Frequency / bytesPerSecond;
                wait = Stopwatch.GetElapsedTime(now, freeAt);
            }

            Interlocked.Add(ref bytes, count);
            return Task.Delay(wait, cancellationToken);
        }
    }
}
