namespace BillingMigration.Source.Binlog;

/// <summary>The events of one binlog file, as a server wrote it.</summary>
public sealed class BinlogFileReader : IBinlogSource
{
    private readonly Stream stream;
    private byte[] buffer = new byte[64 * 1024];

    private BinlogFileReader(Stream stream) => this.stream = stream;

    private static ReadOnlySpan<byte> Magic => [0xFE, (byte)'b', (byte)'i', (byte)'n'];

    private static ReadOnlySpan<byte> EncryptedMagic => [0xFD, (byte)'b', (byte)'i', (byte)'n'];

    /// <exception cref="MigrationException"><c>BinlogUnreadable</c>: no binlog; <c>BinlogEncrypted</c>.</exception>
    public static async Task<BinlogFileReader> OpenAsync(string path, CancellationToken cancellationToken)
    {
        // The server may be writing to it.
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 256 * 1024, useAsync: true);
        var magic = new byte[4];
        var read = await stream.ReadAtLeastAsync(magic, magic.Length, throwOnEndOfStream: false, cancellationToken);
        if (read == magic.Length && magic.AsSpan().SequenceEqual(Magic))
        {
            return new BinlogFileReader(stream);
        }

        await stream.DisposeAsync();
        throw magic.AsSpan().SequenceEqual(EncryptedMagic)
            ? EventErrors.Encrypted(path)
            : EventErrors.Unreadable($"{path} does not begin as a binlog file does");
    }

    public async ValueTask<ReadOnlyMemory<byte>?> ReadEventAsync(CancellationToken cancellationToken)
    {
        var read = await stream.ReadAtLeastAsync(buffer.AsMemory(0, EventHeader.Length), EventHeader.Length, throwOnEndOfStream: false, cancellationToken);
        if (read == 0)
        {
            return null;
        }

        var size = read == EventHeader.Length ? EventHeader.Read(buffer).Size : throw EventErrors.Unreadable("the file ends within an event");
        if (size < EventHeader.Length || size - EventHeader.Length > stream.Length - stream.Position)
        {
            throw EventErrors.Unreadable("the file ends within an event, or an event has an impossible length");
        }

        if (size > buffer.Length)
        {
            Array.Resize(ref buffer, (int)size);
        }

        await stream.ReadExactlyAsync(buffer.AsMemory(EventHeader.Length, (int)size - EventHeader.Length), cancellationToken);
        return buffer.AsMemory(0, (int)size);
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
