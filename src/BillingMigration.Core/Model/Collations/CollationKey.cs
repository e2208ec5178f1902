using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace BillingMigration.Model;

/// <summary>
/// A text as a collation compares it: two texts have the same key exactly when the server takes them for equal. It can be read: each code point becomes the smallest of those that are equal to it
/// (<c>acc-0001</c> becomes <c>ACC-0001</c>), one that is equal to several others becomes these (<c>ß</c> becomes <c>SS</c>), one that has no weight becomes nothing, and blanks at the end go where the collation pads.
/// The key of a key is itself.
/// </summary>
/// <remarks>
/// Exact for code points one by one, and for pairs up to U+1FFF that are something else together (<c>uca1400</c> has 685 of them, the other collations none). Contractions of three code points and those of
/// later scripts are not looked for; random texts of these have shown no difference. Collations of single languages have more contractions, and are not known.
/// </remarks>
public sealed class CollationKey
{
    private readonly SearchValues<byte> stays;
    private readonly byte[] ascii = new byte[AsciiLength];
    private readonly CollationMap map;

    private const int AsciiLength = 128;

    /// <summary>Stands in the table of ASCII for what is looked up in the map.</summary>
    private const byte Other = 0xFF;

    internal CollationKey(string collation, bool pads, CollationMap map)
    {
        (Collation, Pads, this.map) = (collation, pads, map);
        for (var point = 0; point < AsciiLength; point++)
        {
            ascii[point] = map.Contractions.ContainsKey(point) ? Other : map[point] switch { null => (byte)point, [< AsciiLength and var only] => only, _ => Other };
        }

        stays = SearchValues.Create([.. Enumerable.Range(0, AsciiLength).Where(p => ascii[p] == p).Select(p => (byte)p)]);
        Folds = map.Contractions.Count > 0 || map.Pages.Any(p => p is not null);
    }

    /// <summary>Names of the collations that are known.</summary>
    public static IEnumerable<string> Names => CollationTables.Names;

    public string Collation { get; }

    /// <summary>True when blanks at the end do not count.</summary>
    public bool Pads { get; }

    /// <summary>True when texts are equal that differ in more than blanks at their end.</summary>
    public bool Folds { get; }

    /// <summary>Null: the collation is not known, and nobody but the server can say which texts are equal.</summary>
    public static CollationKey? Find(string collation) => CollationTables.Find(collation);

    /// <summary>Null: the column holds no text that a collation compares, or the collation is not known.</summary>
    public static CollationKey? Of(ColumnSchema column) => column.Collation is { } collation ? Find(collation) : null;

    /// <summary>What keeps a column from having a key, for a sentence that goes on with it.</summary>
    internal static string WhyUnknown(ColumnSchema column) => column.IsShortText()
        ? $"{column.Name} has the collation {column.Collation}, of which only the server can say which texts are equal"
        : $"{column.Name} is of type {column.ColumnType}, and only CHAR and VARCHAR have a collation to compare by";

    /// <summary>The key of a text.</summary>
    /// <exception cref="ArgumentException">The collation is not known.</exception>
    public static string Of(string collation, string text)
    {
        var into = new ScratchBuffer();
        (Find(collation) ?? throw new ArgumentException($"The collation {collation} is not known.", nameof(collation))).Append(Encoding.UTF8.GetBytes(text), into);
        return Encoding.UTF8.GetString(into.Written);
    }

    /// <summary>True when two texts are equal.</summary>
    internal bool AreEqual(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.SequenceEqual(other))
        {
            return true;
        }

        var (left, right) = (new ScratchBuffer(), new ScratchBuffer());
        Append(one, left);
        Append(other, right);
        return left.Written.SequenceEqual(right.Written);
    }

    [MethodImpl(HotPath.Optimized)]
    internal void Append(ReadOnlySpan<byte> text, ScratchBuffer into)
    {
        var start = into.Written.Length;
        while (!text.IsEmpty)
        {
            var same = text.IndexOfAnyExcept(stays);
            if (same != 0)
            {
                same = same < 0 ? text.Length : same;
                into.Append(text[..same]);
                text = text[same..];
                continue;
            }

            if (text[0] < AsciiLength && ascii[text[0]] is not Other and var folded)
            {
                into.Append(folded);
                text = text[1..];
                continue;
            }

            text = AppendPoint(text, into);
        }

        if (Pads)
        {
            into.TrimBlanks(start);
        }
    }

    /// <returns>What is left of the text.</returns>
    private ReadOnlySpan<byte> AppendPoint(ReadOnlySpan<byte> text, ScratchBuffer into)
    {
        Rune.DecodeFromUtf8(text, out var point, out var length);
        if (map.Contractions.TryGetValue(point.Value, out var contractions))
        {
            foreach (var (others, to) in contractions)
            {
                if (Behind(text[length..], others) is >= 0 and var more)
                {
                    into.Append(to);
                    return text[(length + more)..];
                }
            }
        }

        into.Append(map[point.Value] ?? text[..length]);
        return text[length..];
    }

    /// <returns>Length of these code points at the begin of a text; -1: it begins otherwise.</returns>
    private static int Behind(ReadOnlySpan<byte> text, int[] points)
    {
        var at = 0;
        foreach (var wanted in points)
        {
            if (Rune.DecodeFromUtf8(text[at..], out var point, out var length) != OperationStatus.Done || point.Value != wanted)
            {
                return -1;
            }

            at += length;
        }

        return at;
    }
}
