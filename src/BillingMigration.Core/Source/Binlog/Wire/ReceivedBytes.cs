using System.Net.Sockets;

namespace BillingMigration.Source.Binlog.Wire;

/// <summary>A connection that counts what arrives: over a slow link a large packet takes its time, and is no silence.</summary>
internal sealed class ReceivedBytes(Socket socket) : NetworkStream(socket, ownsSocket: true)
{
    private long count;

    public long Count => Interlocked.Read(ref count);

    public override int Read(Span<byte> buffer) => Add(base.Read(buffer));

    public override int Read(byte[] buffer, int offset, int size) => Add(base.Read(buffer, offset, size));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Add(await base.ReadAsync(buffer, cancellationToken));

    public override async Task<int> ReadAsync(byte[] buffer, int offset, int size, CancellationToken cancellationToken) => await ReadAsync(buffer.AsMemory(offset, size), cancellationToken);

    private int Add(int read)
    {
        Interlocked.Add(ref count, read);
        return read;
    }
}
