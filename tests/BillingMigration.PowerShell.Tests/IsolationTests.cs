using System.Reflection;
using System.Runtime.Loader;

namespace BillingMigration.PowerShell.Tests;

public sealed class IsolationTests
{
    [Fact]
    public void Another_AWS_SDK_lives_beside_the_modules_own()
    {
        // As AWS.Tools.Common does: its SDK is in the default context before the module comes.
        var theirs = Assembly.Load("AWSSDK.Core");
        Assert.Same(AssemblyLoadContext.Default, AssemblyLoadContext.GetLoadContext(theirs));
        Assert.Equal("3.7.402.0", theirs.GetCustomAttribute<AssemblyFileVersionAttribute>()!.Version);

        using var shell = new ModuleShell();
        var context = AssemblyLoadContext.GetLoadContext(ModuleUnderTest.Cmdlets)!;
        Assert.Equal("BillingMigration", context.Name);
        var ours = context.LoadFromAssemblyName(new AssemblyName("AWSSDK.Core"));
        Assert.NotSame(theirs, ours);
        Assert.Equal(4, ours.GetName().Version!.Major);
        Assert.Equal(2, AssemblyLoadContext.All.SelectMany(c => c.Assemblies).Count(a => a.GetName().Name == "AWSSDK.Core"));

        // The cmdlets work: this one has come as far as its own question for a session.
        Assert.StartsWith("NoSession,", shell.Fail("Export-BillingSnapshot").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_of_the_module_is_in_its_own_context_and_only_the_loader_in_the_default_one()
    {
        using var shell = new ModuleShell();
        var context = AssemblyLoadContext.GetLoadContext(ModuleUnderTest.Cmdlets)!;
        foreach (var name in new[] { "BillingMigration.Core", "MySqlConnector", "AWSSDK.DynamoDBv2", "Polly.Core", "System.IO.Hashing" })
        {
            Assert.Same(context, AssemblyLoadContext.GetLoadContext(context.LoadFromAssemblyName(new AssemblyName(name))));
        }

        var bin = Path.Combine(ModuleUnderTest.Folder, "bin");
        var leaked = AssemblyLoadContext.Default.Assemblies
            .Where(a => !a.IsDynamic && a.Location.StartsWith(bin, StringComparison.Ordinal))
            .Select(a => a.GetName().Name);
        Assert.Equal(["BillingMigration.Loader"], leaked);
    }

    [Fact]
    public void Nothing_of_the_engine_ships_with_the_module() =>
        Assert.False(File.Exists(Path.Combine(ModuleUnderTest.Folder, "bin", "System.Management.Automation.dll")));
}
