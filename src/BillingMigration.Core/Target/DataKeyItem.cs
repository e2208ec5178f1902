using System.Collections.Immutable;
using System.Globalization;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Target;

/// <summary>A data key as the control table keeps it.</summary>
/// <param name="KmsKey">ARN of the KMS key that wrapped it.</param>
internal sealed record WrappedKey(string KmsKey, byte[] Wrapped, DateTimeOffset CreatedAt)
{
    public bool IsSame(WrappedKey other) => Wrapped.AsSpan().SequenceEqual(other.Wrapped);
}

/// <summary>
/// <c>DATA_KEY</c>: the wrapped data keys by their numbers, and the one that values are encrypted with. Before the first rotation there is one, which has
/// the number 1.
/// </summary>
/// <param name="CurrentSince">When the current key became current, by the clock of the process that made it so.</param>
internal sealed record DataKeyItem(ImmutableSortedDictionary<byte, WrappedKey> Keys, byte Current, DateTimeOffset CurrentSince)
{
    public const string SortKey = "DATA_KEY";

    private const string Format = "format";
    private const string Wrapped = "wrapped";
    private const string KmsKey = "kmsKey";
    private const string CreatedAt = "createdAt";

    public WrappedKey CurrentKey => Keys[Current];

    public static DataKeyItem Of(WrappedKey first) => new(ImmutableSortedDictionary<byte, WrappedKey>.Empty.Add(1, first), 1, first.CreatedAt);

    /// <summary>The same with a further key, which is current from now on.</summary>
    public DataKeyItem With(WrappedKey next)
    {
        var number = (byte)((Current % byte.MaxValue) + 1);
        while (Keys.ContainsKey(number))
        {
            number = (byte)((number % byte.MaxValue) + 1);
        }

        return new DataKeyItem(Keys.Add(number, next), number, next.CreatedAt);
    }

    /// <summary>The current key alone.</summary>
    public DataKeyItem WithoutOthers() => this with { Keys = ImmutableSortedDictionary<byte, WrappedKey>.Empty.Add(Current, CurrentKey) };

    public Dictionary<string, AttributeValue> ToItem(Dictionary<string, AttributeValue> key)
    {
        var isFirst = Keys.Count == 1 && Current == 1;
        var item = new Dictionary<string, AttributeValue>(key) { ["kind"] = new("DataKey"), [Format] = new() { N = isFirst ? "1" : "2" } };
        if (isFirst)
        {
            Set(item, CurrentKey);
            return item;
        }

        item["current"] = new AttributeValue { N = Current.ToString(CultureInfo.InvariantCulture) };
        item["currentSince"] = new AttributeValue(Text(CurrentSince));
        var keys = Keys.ToDictionary(k => k.Key.ToString(CultureInfo.InvariantCulture), k => new AttributeValue { M = Set([], k.Value), IsMSet = true });
        item["keys"] = new AttributeValue { M = keys, IsMSet = true };
        return item;
    }

    /// <returns>Null: it is not as it was written.</returns>
    public static DataKeyItem? TryRead(Dictionary<string, AttributeValue> item)
    {
        if (!item.TryGetValue("keys", out var map))
        {
            return TryReadKey(item) is { } only ? Of(only) : null;
        }

        var keys = ImmutableSortedDictionary.CreateBuilder<byte, WrappedKey>();
        foreach (var (name, value) in map.M ?? [])
        {
            if (!byte.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || TryReadKey(value.M ?? []) is not { } key)
            {
                return null;
            }

            keys[number] = key;
        }

        return item.TryGetValue("current", out var current)
            && byte.TryParse(current.N, NumberStyles.None, CultureInfo.InvariantCulture, out var used) && keys.ContainsKey(used)
            && item.TryGetValue("currentSince", out var since) && TryTime(since) is { } time ? new DataKeyItem(keys.ToImmutable(), used, time) : null;
    }

    private static WrappedKey? TryReadKey(Dictionary<string, AttributeValue> item) =>
        item.TryGetValue(Wrapped, out var wrapped) && wrapped.B is { } bytes && item.TryGetValue(KmsKey, out var kmsKey)
            ? new WrappedKey(
                kmsKey.S, bytes.ToArray(), item.TryGetValue(CreatedAt, out var at) && TryTime(at) is { } time ? time : DateTimeOffset.UnixEpoch) : null;

    private static Dictionary<string, AttributeValue> Set(Dictionary<string, AttributeValue> item, WrappedKey key)
    {
        item[KmsKey] = new AttributeValue(key.KmsKey);
        item[Wrapped] = new AttributeValue { B = new MemoryStream(key.Wrapped) };
        item[CreatedAt] = new AttributeValue(Text(key.CreatedAt));
        return item;
    }

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset? TryTime(AttributeValue value) =>
        DateTimeOffset.TryParse(value.S, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time : null;
}
