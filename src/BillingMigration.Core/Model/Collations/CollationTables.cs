using System.Collections.Concurrent;
using System.IO.Compression;
using System.Text;

namespace BillingMigration.Model;

/// <summary>
/// What the servers take for equal: the tables of MySQL 9.7 and MariaDB 10.11, read from them by tools/BillingMigration.CollationTables. A collation never changes once it is published.
/// </summary>
internal static class CollationTables
{
    private static readonly Lazy<Shipped> All = new(Read);
    private static readonly ConcurrentDictionary<string, CollationKey?> Known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Names of the collations that are known.</summary>
    public static IEnumerable<string> Names => All.Value.Names.Keys;

    /// <summary>Null: not known.</summary>
    public static CollationKey? Find(string collation) => Known.GetOrAdd(collation, static name =>
        All.Value.Names.TryGetValue(name, out var entry) ? new CollationKey(name, entry.Pads, CollationMap.Of(All.Value.Maps[entry.Map])) : null);

    private static Shipped Read()
    {
        using var packed = typeof(CollationTables).Assembly.GetManifestResourceStream("BillingMigration.Model.Collations.collations.br")
            ?? throw new InvalidOperationException("The assembly has no table of collations.");
        using var plain = new MemoryStream();
        using (var stream = new BrotliStream(packed, CompressionMode.Decompress))
        {
            stream.CopyTo(plain);
        }

        plain.Position = 0;
        using var reader = new BinaryReader(plain, Encoding.UTF8);
        var maps = new byte[reader.Read7BitEncodedInt()][];
        for (var i = 0; i < maps.Length; i++)
        {
            maps[i] = reader.ReadBytes(reader.Read7BitEncodedInt());
        }

        var names = new Dictionary<string, (bool Pads, int Map)>(StringComparer.OrdinalIgnoreCase);
        for (var left = reader.Read7BitEncodedInt(); left > 0; left--)
        {
            names.Add(reader.ReadString(), (reader.ReadBoolean(), reader.Read7BitEncodedInt()));
        }

        return new Shipped(maps, names);
    }

    private sealed record Shipped(byte[][] Maps, Dictionary<string, (bool Pads, int Map)> Names);
}
