using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace BillingMigration.Simulation;

/// <summary>An immutable item: attribute names and values.</summary>
public sealed class Item : IReadOnlyDictionary<string, ItemValue>, IEquatable<Item>
{
    internal static readonly IReadOnlyDictionary<string, ItemValue> NoMembers = new Dictionary<string, ItemValue>();
    private readonly Dictionary<string, ItemValue> attributes;
    private int size = -1;

    internal Item(Dictionary<string, ItemValue> attributes) => this.attributes = attributes;

    /// <summary>The bytes that AWS counts for limits and capacity.</summary>
    public int Size => size >= 0 ? size : size = attributes.Sum(a => Encoding.UTF8.GetByteCount(a.Key) + a.Value.Size());

    public int Count => attributes.Count;

    public IEnumerable<string> Keys => attributes.Keys;

    public IEnumerable<ItemValue> Values => attributes.Values;

    public ItemValue this[string key] => attributes[key];

    internal Dictionary<string, ItemValue> Attributes => attributes;

    public bool ContainsKey(string key) => attributes.ContainsKey(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out ItemValue value) => attributes.TryGetValue(key, out value);

    public IEnumerator<KeyValuePair<string, ItemValue>> GetEnumerator() => attributes.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public bool Equals(Item? other) => ReferenceEquals(this, other) || (other is not null && SameMembers(attributes, other.attributes));

    public override bool Equals(object? obj) => Equals(obj as Item);

    public override int GetHashCode() => attributes.Count;

    public override string ToString() => ItemJson.Text(this);

    internal static bool SameMembers(IReadOnlyDictionary<string, ItemValue> left, IReadOnlyDictionary<string, ItemValue> right) =>
        left.Count == right.Count && left.All(m => right.TryGetValue(m.Key, out var other) && m.Value.Equals(other));
}

/// <summary>The primary key of an item, or the position of an item in an index: a partition key and perhaps a sort key.</summary>
public sealed class ItemKey : IEquatable<ItemKey>
{
    internal ItemKey(ItemValue partition, ItemValue? sort)
    {
        (Partition, Sort) = (partition, sort);
        Hash = HashOf(partition);
    }

    public ItemValue Partition { get; }

    public ItemValue? Sort { get; }

    /// <summary>Where the partition stands in a scan; the same in every run, unlike .NET's own hash codes.</summary>
    internal uint Hash { get; }

    public bool Equals(ItemKey? other) => other is not null && Hash == other.Hash && Partition.Equals(other.Partition) && Equals(Sort, other.Sort);

    public override bool Equals(object? obj) => Equals(obj as ItemKey);

    public override int GetHashCode() => HashCode.Combine(Hash, Sort?.GetHashCode() ?? 0);

    public override string ToString() => Sort is null ? Partition.ToString() : $"{Partition}/{Sort}";

    internal static uint HashOf(ItemValue partition)
    {
        var hash = 2166136261u;
        if (partition.Kind == ItemValueKind.B)
        {
            foreach (var b in partition.Bytes.Span)
            {
                hash = (hash ^ b) * 16777619;
            }
        }

        foreach (var c in partition.Text)
        {
            hash = (hash ^ c) * 16777619;
        }

        // The low bits of a short key vary more than the high ones, by which a scan is divided.
        hash = (hash ^ (hash >> 16)) * 0x85EBCA6B;
        return hash ^ (hash >> 13);
    }

    internal static int Compare(ItemKey left, ItemKey right)
    {
        var order = left.Hash.CompareTo(right.Hash);
        order = order != 0 ? order : ItemValue.Compare(left.Partition, right.Partition);
        return order != 0 || left.Sort is null || right.Sort is null ? order : ItemValue.Compare(left.Sort, right.Sort);
    }
}
