using System.Text;

namespace BillingMigration.Simulation;

/// <summary>The types of an attribute value, by DynamoDB's names.</summary>
public enum ItemValueKind
{
    S,
    N,
    B,
    BOOL,
    NULL,
    M,
    L,
    SS,
    NS,
    BS,
}

/// <summary>One immutable attribute value. Equality is DynamoDB's: numbers by value, sets without regard to order.</summary>
public sealed class ItemValue : IEquatable<ItemValue>
{
    private static readonly byte[] NoBytes = [];
    private readonly DynamoNumber number;

    private ItemValue(ItemValueKind kind, string text = "", byte[]? bytes = null, DynamoNumber number = default)
    {
        (Kind, Text, Bytes, this.number) = (kind, text, bytes ?? NoBytes, number);
    }

    public ItemValueKind Kind { get; }

    /// <summary>The text of an S, and the normalized digits of an N.</summary>
    public string Text { get; }

    /// <summary>The content of a B.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The value of a BOOL.</summary>
    public bool Flag { get; private init; }

    /// <summary>The elements of an L, SS, NS or BS; those of a set are in order.</summary>
    public IReadOnlyList<ItemValue> Elements { get; private init; } = [];

    /// <summary>The members of an M.</summary>
    public IReadOnlyDictionary<string, ItemValue> Members { get; private init; } = Item.NoMembers;

    internal DynamoNumber Number => number;

    internal bool IsSet => Kind is ItemValueKind.SS or ItemValueKind.NS or ItemValueKind.BS;

    internal bool IsScalar => Kind is ItemValueKind.S or ItemValueKind.N or ItemValueKind.B;

    public static ItemValue Null { get; } = new(ItemValueKind.NULL);

    public static ItemValue OfString(string text) => new(ItemValueKind.S, text);

    public static ItemValue OfNumber(string digits) => OfNumber(DynamoNumber.Parse(digits));

    public static ItemValue OfBinary(byte[] bytes) => new(ItemValueKind.B, bytes: bytes);

    public static ItemValue OfBool(bool flag) => new(ItemValueKind.BOOL) { Flag = flag };

    public static ItemValue OfMap(IReadOnlyDictionary<string, ItemValue> members) => new(ItemValueKind.M) { Members = members };

    public static ItemValue OfList(IReadOnlyList<ItemValue> elements) => new(ItemValueKind.L) { Elements = elements };

    internal static ItemValue OfNumber(DynamoNumber number) => new(ItemValueKind.N, number.ToString(), number: number);

    /// <summary>A set of its distinct elements.</summary>
    internal static ItemValue OfSet(ItemValueKind kind, IEnumerable<ItemValue> elements) =>
        new(kind) { Elements = new SortedSet<ItemValue>(elements, Comparer<ItemValue>.Create(Compare)).ToArray() };

    /// <summary>DynamoDB's order of two scalars of one type: numbers by value, strings by their UTF-8 bytes, binaries by unsigned bytes.</summary>
    internal static int Compare(ItemValue left, ItemValue right) => left.Kind switch
    {
        ItemValueKind.N => left.number.CompareTo(right.number),
        ItemValueKind.B => left.Bytes.Span.SequenceCompareTo(right.Bytes.Span),
        _ => CompareUtf8(left.Text, right.Text),
    };

    public bool Equals(ItemValue? other)
    {
        if (ReferenceEquals(this, other))
        {
            return true;
        }

        return other is not null && Kind == other.Kind && Kind switch
        {
            ItemValueKind.S or ItemValueKind.N => Text == other.Text,
            ItemValueKind.B => Bytes.Span.SequenceEqual(other.Bytes.Span),
            ItemValueKind.BOOL => Flag == other.Flag,
            ItemValueKind.NULL => true,
            ItemValueKind.M => Item.SameMembers(Members, other.Members),
            _ => Elements.SequenceEqual(other.Elements),
        };
    }

    public override bool Equals(object? obj) => Equals(obj as ItemValue);

    public override int GetHashCode() => Kind switch
    {
        ItemValueKind.S or ItemValueKind.N => Text.GetHashCode(StringComparison.Ordinal),
        ItemValueKind.B => Bytes.Length == 0 ? 0 : HashCode.Combine(Bytes.Length, Bytes.Span[0], Bytes.Span[^1]),
        _ => (int)Kind,
    };

    public override string ToString() => ItemJson.Text(this);

    /// <summary>The bytes that AWS counts for a value; it documents the numbers' size as approximate.</summary>
    internal int Size() => Kind switch
    {
        ItemValueKind.S => Encoding.UTF8.GetByteCount(Text),
        ItemValueKind.N => number.IsZero ? 1 : ((number.Digits.Length + 1) / 2) + (number.Negative ? 2 : 1),
        ItemValueKind.B => Bytes.Length,
        ItemValueKind.BOOL or ItemValueKind.NULL => 1,
        ItemValueKind.M => 3 + Members.Sum(m => Encoding.UTF8.GetByteCount(m.Key) + m.Value.Size() + 1),
        ItemValueKind.L => 3 + Elements.Sum(e => e.Size() + 1),
        _ => Elements.Sum(e => e.Size()),
    };

    private static int CompareUtf8(string left, string right)
    {
        var length = Math.Min(left.Length, right.Length);
        for (var i = 0; i < length; i++)
        {
            if (left[i] != right[i])
            {
                return Rank(left[i]) - Rank(right[i]);
            }
        }

        return left.Length - right.Length;
    }

    /// <summary>Surrogates stand for characters beyond U+FFFF: in UTF-8 those come after all others.</summary>
    private static int Rank(char c) => char.IsSurrogate(c) ? c + 0x10000 : c;
}
