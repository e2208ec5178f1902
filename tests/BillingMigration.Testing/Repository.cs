namespace BillingMigration.Testing;

/// <summary>Where this checkout lies.</summary>
public static class Repository
{
    /// <summary>Folder of <c>BillingMigration.slnx</c>, found upwards from the test's own binaries.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A file or folder of the checkout.</summary>
    public static string PathOf(params ReadOnlySpan<string> parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "BillingMigration.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No BillingMigration.slnx above {AppContext.BaseDirectory}: run the tests from a checkout.");
    }
}
