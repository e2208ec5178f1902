namespace SampleBilling;

/// <summary>What a random sequence is for: each row draws from a sequence of its own, so that any row can be made without the ones before it.</summary>
internal enum Sequence : ulong
{
    Shape = 1,
    Customer,
    Account,
    Subscriber,
    Agreements,
    Agreement,
    Bill,
    Charge,
}

/// <summary>SplitMix64 (Steele, Lea, Flood 2014). Ours rather than <see cref="Random"/>: the same numbers on every runtime, for ever.</summary>
internal struct SampleRandom
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;
    private ulong _state;

    public SampleRandom(int seed, Sequence sequence, long a, long b = 0)
    {
        _state = Mix((ulong)(uint)seed + Gamma);
        _state = Mix(_state ^ (ulong)sequence * Gamma);
        _state = Mix(_state ^ (ulong)a * 0xD1B54A32D192ED03);
        _state = Mix(_state ^ (ulong)b * 0x8CB92BA72F3D8DD7);
    }

    public ulong Next()
    {
        _state += Gamma;
        return Mix(_state);
    }

    /// <summary>0 to <paramref name="limit"/> - 1.</summary>
    public int Below(int limit) => (int)Math.BigMul(Next(), (ulong)limit, out _);

    public long Below(long limit) => (long)Math.BigMul(Next(), (ulong)limit, out _);

    /// <summary>True in <paramref name="percent"/> of 100 cases.</summary>
    public bool Chance(int percent) => Below(100) < percent;

    public T Pick<T>(T[] values) => values[Below(values.Length)];

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
