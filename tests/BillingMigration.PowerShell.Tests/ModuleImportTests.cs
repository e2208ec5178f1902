using System.Management.Automation;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

public sealed class ModuleImportTests
{
    internal static readonly string[] Cmdlets =
    [
        "Connect-BillingMigration",
        "Disconnect-BillingMigration",
        "Export-BillingSnapshot",
        "Get-Bill",
        "Get-BillingAccount",
        "Get-BillingCharge",
        "Get-BillingCustomer",
        "Get-BillingMigration",
        "Get-BillingSubscriber",
        "Get-ServiceAgreement",
        "Initialize-BillingTable",
        "Measure-Bill",
        "Measure-BillingCharge",
        "New-BillingMigrationDefinition",
        "New-MigrationPolicy",
        "Repair-BillingItem",
        "Switch-BillingBackend",
        "Sync-BillingChanges",
        "Test-MigrationIntegrity",
        "Update-BillingDataKey",
    ];

    [Fact]
    public void The_manifest_is_valid_and_names_every_cmdlet()
    {
        using var shell = new ModuleShell(import: false);
        var manifest = (PSModuleInfo)Assert.Single(shell.Run("param($path) Test-ModuleManifest $path", ModuleUnderTest.Manifest)).BaseObject;
        Assert.Equal(new Version(7, 4), manifest.PowerShellVersion);
        Assert.Equal(["Core"], manifest.CompatiblePSEditions);
        Assert.Equal(Cmdlets, manifest.ExportedCmdlets.Keys.Order(StringComparer.Ordinal));
        Assert.Empty(manifest.ExportedFunctions);
        Assert.Empty(manifest.ExportedAliases);
        // What a gallery asks for.
        Assert.Equal("https://www.apache.org/licenses/LICENSE-2.0", manifest.LicenseUri.ToString());
        Assert.All(new[] { manifest.Author, manifest.Description, manifest.Copyright, manifest.ReleaseNotes }, Assert.NotEmpty);
        Assert.Contains("PSEdition_Core", manifest.Tags);
        Assert.Contains($"\n## {manifest.Version}\n", File.ReadAllText(Repository.PathOf("CHANGELOG.md")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Import-Module $path")]
    [InlineData("Import-Module $path -Force")]
    [InlineData("Remove-Module BillingMigration; Import-Module $path")]
    [InlineData("Import-Module $path -Force; Remove-Module BillingMigration; Import-Module $path; Import-Module $path -Force")]
    public void The_cmdlets_are_there_after(string again)
    {
        using var shell = new ModuleShell();
        shell.Run("param($path)\n" + again, ModuleUnderTest.Manifest);
        Assert.Empty(shell.Errors);
        Assert.Equal(Cmdlets, Names(shell));
        Assert.StartsWith("NoSession,", shell.Fail("Get-BillingMigration").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_stays_after_Remove_Module()
    {
        using var shell = new ModuleShell();
        shell.Run("Remove-Module BillingMigration");
        Assert.Empty(Names(shell));
    }

    [Fact]
    public void Two_sessions_of_one_process_import_it_side_by_side()
    {
        using var one = new ModuleShell();
        using var two = new ModuleShell();
        Assert.Equal(Names(one), Names(two));
    }

    [Fact]
    public void A_module_that_is_not_built_says_how_to_build_it()
    {
        var folder = Directory.CreateTempSubdirectory("unbuilt");
        try
        {
            Directory.CreateDirectory(Path.Combine(folder.FullName, "module"));
            File.Copy(ModuleUnderTest.Manifest, Path.Combine(folder.FullName, "BillingMigration.psd1"));
            foreach (var file in Directory.GetFiles(Path.Combine(ModuleUnderTest.Folder, "module")))
            {
                File.Copy(file, Path.Combine(folder.FullName, "module", Path.GetFileName(file)));
            }

            using var shell = new ModuleShell(import: false);
            var error = shell.Fail("param($path) Import-Module $path", Path.Combine(folder.FullName, "BillingMigration.psd1"));
            Assert.Contains("dotnet publish", error.ToString(), StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<string> Names(ModuleShell shell) =>
        shell.Run("Get-Command -Module BillingMigration").Select(c => ((CommandInfo)c.BaseObject).Name).Order(StringComparer.Ordinal);
}
