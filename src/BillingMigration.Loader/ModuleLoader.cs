using System.Reflection;
using System.Runtime.Loader;

namespace BillingMigration.Loader;

/// <summary>
/// The module's only assembly in the default load context. It opens the rest in a context of its own, so that another module in the same
/// session may use other versions of the same libraries.
/// </summary>
public static class ModuleLoader
{
    private static readonly object Gate = new();
    private static readonly Dictionary<string, Assembly> Loaded = new(StringComparer.Ordinal);

    /// <summary>Loads an assembly and all that it needs from one folder. A second call for the same folder returns the same assembly.</summary>
    /// <param name="directory">Folder of the module's assemblies.</param>
    /// <param name="assemblyName">Simple name of the assembly that holds the cmdlets.</param>
    public static Assembly Load(string directory, string assemblyName)
    {
        var path = Path.Combine(Path.GetFullPath(directory), assemblyName + ".dll");
        lock (Gate)
        {
            if (!Loaded.TryGetValue(path, out var assembly))
            {
                assembly = new ModuleLoadContext(Path.GetDirectoryName(path)!).LoadFromAssemblyPath(path);
                Loaded.Add(path, assembly);
            }

            return assembly;
        }
    }
}

/// <summary>Finds the module's own assemblies in its folder; the engine's and the framework's come from the default context.</summary>
internal sealed class ModuleLoadContext(string directory) : AssemblyLoadContext("BillingMigration")
{
    /// <summary>
    /// What lies in the folder wins over what is already loaded: that is the isolation. <c>System.Management.Automation</c> does not lie there, so
    /// that the cmdlets share their base classes with the engine.
    /// </summary>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        var path = Path.Combine(directory, assemblyName.Name + ".dll");
        return File.Exists(path) ? LoadFromAssemblyPath(path) : null;
    }
}
