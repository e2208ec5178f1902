using System.IO.Compression;

namespace BillingMigration.CollationTables;

/// <summary>
/// Writes what CollationTables in the core reads: the maps, each as runs of code points that all become the same or lie equally far from what they become; then the names with their map. Collations of the same map share it.
/// </summary>
internal static class TableFile
{
    public static byte[] Write(CollationTable[] tables)
    {
        var maps = new List<CollationTable>();
        var names = tables.Select(table =>
        {
            var at = maps.FindIndex(table.HasSameMap);
            if (at < 0)
            {
                maps.Add(table);
                at = maps.Count - 1;
            }

            return (table.Name, table.Pads, Map: at);
        }).ToArray();

        var plain = new MemoryStream();
        using (var writer = new BinaryWriter(plain, System.Text.Encoding.UTF8, leaveOpen: true))
        {
            writer.Write7BitEncodedInt(maps.Count);
            foreach (var map in maps)
            {
                var body = new MemoryStream();
                using (var part = new BinaryWriter(body, System.Text.Encoding.UTF8, leaveOpen: true))
                {
                    WriteMap(part, map);
                }

                writer.Write7BitEncodedInt((int)body.Length);
                writer.Write(body.ToArray());
            }

            writer.Write7BitEncodedInt(names.Length);
            foreach (var (name, pads, map) in names)
            {
                writer.Write(name);
                writer.Write(pads);
                writer.Write7BitEncodedInt(map);
            }
        }

        var packed = new byte[BrotliEncoder.GetMaxCompressedLength((int)plain.Length)];
        if (!BrotliEncoder.TryCompress(plain.ToArray(), packed, out var length, quality: 11, window: 24))
        {
            throw new InvalidOperationException("The tables could not be compressed.");
        }

        Console.WriteLine($"{tables.Length} collations, {maps.Count} maps, {plain.Length} bytes before they are compressed");
        return packed[..length];
    }

    private static void WriteMap(BinaryWriter writer, CollationTable table)
    {
        var runs = Runs(table.Map).ToArray();
        writer.Write7BitEncodedInt(runs.Length);
        var end = 0;
        foreach (var (start, length, to, isConstant) in runs)
        {
            writer.Write7BitEncodedInt(start - end);
            writer.Write7BitEncodedInt(length);
            writer.Write7BitEncodedInt((to.Length * 2) + (isConstant ? 1 : 0));
            WriteText(writer, start, to);
            end = start + length;
        }

        writer.Write7BitEncodedInt(table.Contractions.Count);
        foreach (var (from, to) in table.Contractions)
        {
            writer.Write7BitEncodedInt(from.Length);
            WriteText(writer, 0, from);
            writer.Write7BitEncodedInt(to.Length);
            WriteText(writer, from[0], to);
        }
    }

    private static void WriteText(BinaryWriter writer, int near, int[] text)
    {
        foreach (var point in text)
        {
            var distance = point - near;
            writer.Write7BitEncodedInt((distance << 1) ^ (distance >> 31));
            near = point;
        }
    }

    private static IEnumerable<(int Start, int Length, int[] To, bool IsConstant)> Runs(SortedDictionary<int, int[]> map)
    {
        using var entries = map.GetEnumerator();
        var more = entries.MoveNext();
        while (more)
        {
            var (start, to) = entries.Current;
            int length = 1;
            bool? isConstant = to.Length == 1 ? null : true;
            while ((more = entries.MoveNext()) && entries.Current.Key == start + length)
            {
                var next = entries.Current.Value;
                var same = isConstant != false && next.SequenceEqual(to);
                var shifted = isConstant != true && to.Length == 1 && next.Length == 1 && next[0] == to[0] + length;
                if (!same && !shifted)
                {
                    break;
                }

                isConstant = same;
                length++;
            }

            yield return (start, length, to, isConstant ?? true);
        }
    }
}
