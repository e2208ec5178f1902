using System.IO.Compression;

namespace BillingMigration.Packager;

/// <summary>A zip that is the same, byte by byte, wherever and whenever it is made of the same files.</summary>
public static class StableZip
{
    // The first that a zip can name.
    private static readonly DateTimeOffset Time = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    // A regular file that all may read and its owner may write, as Unix says it in the upper half.
    private const int Attributes = 0b1_000_000_110_100_100 << 16;

    /// <param name="folder">Its files, by their paths within it.</param>
    /// <param name="zip">Path of the zip, which is written over.</param>
    public static void Write(string folder, string zip)
    {
        using var archive = new ZipArchive(File.Create(zip), ZipArchiveMode.Create);
        var names = Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(folder, f).Replace('\\', '/'));
        foreach (var name in names.Order(StringComparer.Ordinal))
        {
            var entry = archive.CreateEntry(name, CompressionLevel.Optimal);
            entry.LastWriteTime = Time;
            entry.ExternalAttributes = Attributes;
            using var content = entry.Open();
            using var file = File.OpenRead(Path.Combine(folder, name));
            file.CopyTo(content);
        }
    }
}
