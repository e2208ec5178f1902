using BillingMigration.Packager;

if (args is not [var folder, var zip, .. { Length: <= 1 } home])
{
    Console.Error.WriteLine("BillingMigration.Packager FOLDER ZIP [PROJECT_URI]");
    return 2;
}

if (home is [var text])
{
    if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttps || text.Contains('\'', StringComparison.Ordinal))
    {
        Console.Error.WriteLine($"PROJECT_URI '{text}' is no https address.");
        return 2;
    }

    const string Before = "            LicenseUri ";
    var manifest = Path.Combine(folder, "BillingMigration", "BillingMigration.psd1");
    File.WriteAllText(manifest, File.ReadAllText(manifest).Replace(Before, $"            ProjectUri   = '{uri}'\n{Before}", StringComparison.Ordinal));
}

StableZip.Write(folder, zip);
return 0;
