using System.IO.Compression;
using System.Security.Cryptography;
using BillingMigration.Packager;

namespace BillingMigration.PowerShell.Tests;

public sealed class PackageTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("package");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void The_same_files_make_the_same_zip()
    {
        var first = Zip("first", ["b/two.txt", "a.txt", "b/one.txt"], new DateTime(2020, 1, 1));
        var second = Zip("second", ["a.txt", "b/one.txt", "b/two.txt"], new DateTime(2026, 6, 6));
        Assert.Equal(SHA256.HashData(File.ReadAllBytes(first)), SHA256.HashData(File.ReadAllBytes(second)));
        using var archive = ZipFile.OpenRead(first);
        Assert.Equal(["a.txt", "b/one.txt", "b/two.txt"], archive.Entries.Select(e => e.FullName));
    }

    private string Zip(string name, string[] files, DateTime at)
    {
        var from = folder.CreateSubdirectory(name).FullName;
        foreach (var file in files)
        {
            var path = Path.Combine(from, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, file);
            File.SetLastWriteTime(path, at);
        }

        var zip = Path.Combine(folder.FullName, name + ".zip");
        StableZip.Write(from, zip);
        return zip;
    }
}
