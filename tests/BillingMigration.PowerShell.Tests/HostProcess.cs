using System.Diagnostics;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>A script, run by the project's own host in a process of its own with the built module.</summary>
internal static class HostProcess
{
    /// <param name="script">Its first argument is <paramref name="argument"/>.</param>
    /// <param name="environment">Variables; null: without it.</param>
    /// <param name="imports">False: the script imports the module itself.</param>
    /// <returns>What it wrote, errors behind the rest.</returns>
    public static async Task<string> RunAsync(DirectoryInfo folder, string script, string argument, IReadOnlyDictionary<string, string?> environment, bool imports = true)
    {
        var file = Path.Combine(folder.FullName, "script.ps1");
        await File.WriteAllTextAsync(file, $"$ErrorActionPreference = 'Stop'\n{(imports ? $"Import-Module '{ModuleUnderTest.Manifest}'" : "")}\n{script}\n");
        var start = new ProcessStartInfo("dotnet", [Repository.PathOf("tools", "BillingMigration.Host", "bin", "Release", "net10.0", "BillingMigration.Host.dll"), file, argument])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = Repository.PathOf("examples", "runbooks"),
        };
        start.Environment["BILLINGMIGRATION_SOURCE_USER"] = "root";
        start.Environment["BILLINGMIGRATION_SOURCE_PASSWORD"] = "";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return await output + errors;
    }
}
