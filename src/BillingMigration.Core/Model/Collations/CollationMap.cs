using System.Collections.Concurrent;
using System.Text;

namespace BillingMigration.Model;

/// <summary>What each code point becomes, as UTF-8; null: itself.</summary>
/// <param name="Pages">Of 256 code points each; null: all of the page stay as they are.</param>
/// <param name="Contractions">By their first code point: the others, and what all together become; the longest first.</param>
internal sealed record CollationMap(byte[]?[]?[] Pages, IReadOnlyDictionary<int, (int[] Others, byte[] To)[]> Contractions)
{
    private const int PageSize = 256;
    private const int PageCount = 0x1100;
    private static readonly ConcurrentDictionary<byte[], CollationMap> Known = [];

    public byte[]? this[int point] => Pages[point / PageSize]?[point % PageSize];

    public static CollationMap Of(byte[] packed) => Known.GetOrAdd(packed, Read);

    private static CollationMap Read(byte[] packed)
    {
        using var reader = new BinaryReader(new MemoryStream(packed));
        var pages = new byte[]?[]?[PageCount];
        var whole = new Dictionary<int, byte[]?[]>();
        var end = 0;
        for (var runs = reader.Read7BitEncodedInt(); runs > 0; runs--)
        {
            var start = end + reader.Read7BitEncodedInt();
            end = start + reader.Read7BitEncodedInt();
            var kind = reader.Read7BitEncodedInt();
            var text = ReadText(reader, kind / 2, start);
            var constant = kind % 2 == 1 ? Utf8(text) : null;
            for (var point = start; point < end;)
            {
                if (constant is not null && point % PageSize == 0 && end - point >= PageSize)
                {
                    // Most of a million code points are one class to some collations.
                    if (!whole.TryGetValue(start, out var page))
                    {
                        page = new byte[PageSize][];
                        Array.Fill(page, constant);
                        whole.Add(start, page);
                    }

                    pages[point / PageSize] = page;
                    point += PageSize;
                    continue;
                }

                (pages[point / PageSize] ??= new byte[PageSize][])[point % PageSize] = constant ?? Utf8([text[0] + point - start]);
                point++;
            }
        }

        var contractions = new List<(int First, int[] Others, byte[] To)>();
        for (var left = reader.Read7BitEncodedInt(); left > 0; left--)
        {
            var from = ReadText(reader, reader.Read7BitEncodedInt(), 0);
            contractions.Add((from[0], from[1..], Utf8(ReadText(reader, reader.Read7BitEncodedInt(), from[0]))));
        }

        return new CollationMap(pages, contractions.GroupBy(c => c.First).ToDictionary(g => g.Key, g => g.OrderByDescending(c => c.Others.Length).Select(c => (c.Others, c.To)).ToArray()));
    }

    private static int[] ReadText(BinaryReader reader, int length, int near)
    {
        var text = new int[length];
        for (var i = 0; i < length; i++)
        {
            var distance = reader.Read7BitEncodedInt();
            near += (int)((uint)distance >> 1) ^ -(distance & 1);
            text[i] = near;
        }

        return text;
    }

    private static byte[] Utf8(int[] points) => [.. points.SelectMany(p => Encoding.UTF8.GetBytes(char.ConvertFromUtf32(p)))];
}
