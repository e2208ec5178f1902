using System.Collections.Concurrent;

namespace BillingMigration.Model;

/// <summary>
/// The key ring as this process knows it. It is read again in the background a minute after it was read last, before a value is encrypted when it is
/// older than <see cref="MostAge"/>, and at once for
/// a value whose key it does not have: so a process that was open before a rotation reads what others write, and encrypts with the former key for a
/// bounded time only. Thread-safe.
/// </summary>
internal sealed class KeyRingKeeper
{
    /// <summary>Nobody encrypts with a ring that is older: this long after a new key has become current, every process encrypts with it.</summary>
    public static readonly TimeSpan MostAge = TimeSpan.FromMinutes(5);

    public static readonly TimeSpan RefreshAfter = TimeSpan.FromMinutes(1);

    private readonly Func<KeyRing, CancellationToken, Task<KeyRing>>? read;
    private readonly TimeProvider time;
    private readonly object gate = new();
    private readonly ConcurrentDictionary<byte, long> missed = new();
    private volatile KeyRing now;
    private Task<KeyRing> reading;
    private long readAt;
    private long triedAt;

    /// <param name="first">Read at <paramref name="readAt"/> or after.</param>
    /// <param name="read">Reads the ring that holds now, told the one that was known; gives the same object when it is the same. Null: the ring never
    /// changes.</param>
    /// <param name="readAt">Timestamp of <paramref name="time"/>.</param>
    public KeyRingKeeper(KeyRing first, Func<KeyRing, CancellationToken, Task<KeyRing>>? read, TimeProvider time, long readAt)
    {
        (now, this.read, this.time) = (first, read, time);
        this.readAt = triedAt = readAt;
        reading = Task.FromResult(first);
    }

    public KeyRing Now => now;

    public static KeyRingKeeper Of(ValueCipher only) => new(KeyRing.Of(only), null, TimeProvider.System, 0);

    /// <summary>The ring to encrypt with.</summary>
    /// <exception cref="MigrationException">It is too old, and cannot be read.</exception>
    public KeyRing ForEncrypting()
    {
        if (read is null)
        {
            return now;
        }

        var age = time.GetElapsedTime(Interlocked.Read(ref readAt));
        if (age >= MostAge)
        {
            Read();
        }
        else if (age >= RefreshAfter && Interlocked.Read(ref triedAt) is var tried && time.GetElapsedTime(tried) >= RefreshAfter
            && Interlocked.CompareExchange(ref triedAt, time.GetTimestamp(), tried) == tried)
        {
            _ = Task.Run(async () => await ((Task)ReadAsync(CancellationToken.None)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing));
        }

        return now;
    }

    /// <summary>
    /// The key with a number. One that is not known is looked for in the control table, once a minute at most: a number that no key has is that of a
    /// damaged value.
    /// </summary>
    /// <exception cref="MigrationException">The ring cannot be read.</exception>
    public ValueCipher? Find(byte number)
    {
        if (now.Keys.TryGetValue(number, out var known) || read is null || number == 0)
        {
            return known;
        }

        if (missed.TryGetValue(number, out var at) && time.GetElapsedTime(at) < RefreshAfter)
        {
            return null;
        }

        var found = Read().Keys.GetValueOrDefault(number);
        if (found is null)
        {
            missed[number] = time.GetTimestamp();
        }

        return found;
    }

    /// <summary>Reads the ring, unless another caller has begun to read it after this call was made.</summary>
    public Task<KeyRing> ReadAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            reading = ReadAfterAsync(reading, time.GetTimestamp());
            return reading.WaitAsync(cancellationToken);
        }
    }

    private async Task<KeyRing> ReadAfterAsync(Task other, long asked)
    {
        await other.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (read is not null && Interlocked.Read(ref readAt) <= asked)
        {
            var began = time.GetTimestamp();
            now = await read(now, CancellationToken.None);
            Interlocked.Exchange(ref readAt, began);
        }

        return now;
    }

    // Values are decoded and encoded without await, many thousands a second; this is needed once in a rotation.
    private KeyRing Read() => Task.Run(() => ReadAsync(CancellationToken.None)).GetAwaiter().GetResult();
}
