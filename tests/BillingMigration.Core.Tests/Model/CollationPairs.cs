using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Tests.Model;

/// <summary>Random pairs of texts that a collation may take for equal: both are made of a few code points that are near each other, of blanks, marks and what has no weight.</summary>
internal sealed class CollationPairs
{
    private const int MostPoints = 4;

    private static readonly int[] Marks = [.. Enumerable.Range(0x300, 0x70), 0x3099, 0x309A, 0xB7, 0x387, 0x5BC, 0x64B, 0xE31];
    private static readonly int[] Weightless = [0x01, 0x7F, 0xAD, 0x200B, 0x200D, 0x2060, 0xFE0F, 0xFEFF, 0xE0100];
    private static readonly int[] Blanks = [0x20, 0x20, 0x20, 0x09, 0xA0, 0x3000, 0x2003];

    private static readonly (int From, int To)[] Scripts =
    [
        (0x21, 0x7E), (0x41, 0x7A), (0x41, 0x7A), (0xA1, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x370, 0x52F), (0x5D0, 0x64A), (0x900, 0x97F), (0xE01, 0xEDF), (0xF00, 0xFBC), (0x1100, 0x11FF), (0x1E00, 0x1FFF),
        (0x2000, 0x2BFF), (0x3041, 0x33FF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFFFD), (0x10000, 0x11FFF), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2FA1D), (0x1, 0x10FFFF),
    ];

    private readonly CollationKey key;
    private readonly int[] points;
    private readonly Dictionary<string, int[]> classes;
    private readonly Random random;

    /// <param name="points">Those of the collation's character set; null: all.</param>
    public CollationPairs(string collation, int[]? points, int seed)
    {
        (key, random) = (CollationKey.Find(collation)!, new Random(seed));
        this.points = points ?? [.. Enumerable.Range(1, collation.StartsWith("utf8mb3", StringComparison.Ordinal) ? 0xFFFF : 0x10FFFF).Where(Rune.IsValid)];
        classes = this.points.Where(p => p < 0x30000).GroupBy(p => KeyOf(Text(p))).Where(g => g.Count() > 1).ToDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);
    }

    public (string One, string Other) Next()
    {
        var near = new List<int>();
        for (var i = random.Next(1, 3); i > 0; i--)
        {
            var point = Any();
            near.Add(point);
            near.AddRange(KeyOf(Text(point)).EnumerateRunes().Select(r => r.Value));
            if (classes.TryGetValue(KeyOf(Text(point)), out var same))
            {
                near.AddRange([same[random.Next(same.Length)], same[random.Next(same.Length)]]);
            }
        }

        near.AddRange([Marks[random.Next(Marks.Length)], Weightless[random.Next(Weightless.Length)], Blanks[random.Next(Blanks.Length)]]);
        near.RemoveAll(p => points.BinarySearch(p) < 0);
        var one = Made(near);
        var other = random.Next(4) switch
        {
            0 => Made(near),
            1 => KeyOf(one),
            2 => one + Made(near),
            _ => string.Concat(one.EnumerateRunes().Select(r => classes.TryGetValue(KeyOf(r.ToString()), out var same) ? Text(same[random.Next(same.Length)]) : r.ToString())),
        };
        return (one, other);
    }

    public bool AreEqual(string one, string other) => key.AreEqual(Encoding.UTF8.GetBytes(one), Encoding.UTF8.GetBytes(other));

    private string Made(List<int> near) => near.Count == 0 ? "" : string.Concat(Enumerable.Range(0, random.Next(MostPoints + 1)).Select(_ => Text(near[random.Next(near.Count)])));

    private int Any()
    {
        if (points.Length < 0x100)
        {
            return points[random.Next(points.Length)];
        }

        var (from, to) = Scripts[random.Next(Scripts.Length)];
        var point = random.Next(from, to + 1);
        return points.BinarySearch(point) >= 0 ? point : points[random.Next(points.Length)];
    }

    private string KeyOf(string text) => CollationKey.Of(key.Collation, text);

    private static string Text(int point) => char.ConvertFromUtf32(point);
}

file static class Sorted
{
    public static int BinarySearch(this int[] points, int point) => Array.BinarySearch(points, point);
}
