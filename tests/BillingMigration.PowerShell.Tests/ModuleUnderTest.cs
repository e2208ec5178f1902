using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace BillingMigration.PowerShell.Tests;

/// <summary>The built module in the tests' output folder, and its types, which live in its own load context.</summary>
internal static class ModuleUnderTest
{
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "BillingMigration");

    public static string Manifest { get; } = Path.Combine(Folder, "BillingMigration.psd1");

    public static Assembly Cmdlets => typeof(BillingCmdlet).Assembly;

    /// <summary>What the tests were compiled against is found where the module loaded it: the same types, not copies.</summary>
    [ModuleInitializer]
    internal static void UseTheModulesOwnTypes() => AssemblyLoadContext.Default.Resolving += (_, name) =>
    {
        if (name.Name is not ("BillingMigration.Core" or "BillingMigration.PowerShell"))
        {
            return null;
        }

        var bin = Path.Combine(Folder, "bin");
        var loader = Assembly.LoadFrom(Path.Combine(bin, "BillingMigration.Loader.dll")).GetType("BillingMigration.Loader.ModuleLoader")!;
        var cmdlets = (Assembly)loader.GetMethod("Load")!.Invoke(null, [bin, "BillingMigration.PowerShell"])!;
        return name.Name == "BillingMigration.PowerShell" ? cmdlets : AssemblyLoadContext.GetLoadContext(cmdlets)!.LoadFromAssemblyName(name);
    };
}
