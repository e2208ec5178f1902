using System.Reflection;
using System.Runtime.Loader;
using System.Xml.Linq;
using BillingMigration.HelpBuilder;

if (args.Length != 3)
{
    Console.Error.WriteLine("usage: BillingMigration.HelpBuilder <folder of pages> <cmdlet assembly> <help file to write>");
    return 2;
}

try
{
    var pages = Directory.GetFiles(args[0], "*.md").Order(StringComparer.Ordinal).Select(CmdletPage.Read).ToDictionary(p => p.Name);
    var shapes = CmdletShape.In(Load(Path.GetFullPath(args[1]))).ToDictionary(s => s.Name);
    if (pages.Keys.Except(shapes.Keys).FirstOrDefault() is { } extra)
    {
        throw new FormatException($"There is a page for {extra}, and no such cmdlet.");
    }

    if (shapes.Keys.Except(pages.Keys).FirstOrDefault() is { } missing)
    {
        throw new FormatException($"Cmdlet {missing} has no page: write {Path.Combine(args[0], missing + ".md")}.");
    }

    var document = Maml.Document(pages.Values.Select(p => (p, shapes[p.Name])));
    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(args[2]))!);
    document.Save(args[2], SaveOptions.None);
    return 0;
}
catch (FormatException e)
{
    // In the form that MSBuild shows as an error of the build.
    Console.Error.WriteLine($"HelpBuilder : error HELP001: {e.Message}");
    return 1;
}

static Assembly Load(string path)
{
    AssemblyLoadContext.Default.Resolving += (context, name) =>
    {
        var beside = Path.Combine(Path.GetDirectoryName(path)!, name.Name + ".dll");
        return File.Exists(beside) ? context.LoadFromAssemblyPath(beside) : null;
    };
    return AssemblyLoadContext.Default.LoadFromAssemblyPath(path);
}
