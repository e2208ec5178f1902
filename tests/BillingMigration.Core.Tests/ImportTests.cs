using System.Collections.Frozen;
using System.Text.RegularExpressions;
using BillingMigration.Testing;

namespace BillingMigration.Tests;

/// <summary>Imports point one way: a folder of the core knows those named here, and no others.</summary>
public sealed partial class ImportTests
{
    private static readonly FrozenDictionary<string, string[]> Allowed = new Dictionary<string, string[]>
    {
        ["Definition"] = [],
        ["Model"] = ["Definition"],
        ["Transfer"] = ["Definition"],
        ["Source"] = ["Definition", "Model", "Transfer"],
        ["Target"] = ["Definition", "Model", "Transfer"],
        ["Control"] = ["Definition", "Model", "Source", "Target", "Transfer"],
        ["Snapshot"] = ["Definition", "Model", "Source", "Target", "Transfer", "Control"],
        ["Integrity"] = ["Definition", "Model", "Source", "Target", "Transfer", "Control", "Snapshot"],
        ["Sync"] = ["Definition", "Model", "Source", "Target", "Transfer", "Control", "Snapshot", "Integrity"],
        ["Rotation"] = ["Definition", "Model", "Target", "Transfer", "Control", "Integrity"],
        ["Reverse"] = ["Definition", "Model", "Source", "Target", "Transfer", "Control", "Snapshot", "Integrity"],
    }.ToFrozenDictionary();

    [Fact]
    public void Every_folder_of_the_core_imports_what_it_may()
    {
        var core = Repository.PathOf("src", "BillingMigration.Core");
        var folders = Directory.GetDirectories(core).Select(f => Path.GetFileName(f)).Where(f => f is not ("bin" or "obj")).ToArray();
        Assert.Equal(Allowed.Keys.Order(), folders.Order());
        var wrong =
            from folder in folders
            from file in Directory.GetFiles(Path.Combine(core, folder), "*.cs", SearchOption.AllDirectories)
            from match in Reference().Matches(File.ReadAllText(file))
            let other = match.Groups["folder"].Value
            where other != folder && Allowed.ContainsKey(other) && !Allowed[folder].Contains(other)
            select $"{Path.GetRelativePath(core, file)} imports {other}";
        Assert.Empty(wrong);
    }

    [GeneratedRegex(@"using (static )?BillingMigration\.(?<folder>\w+)")]
    private static partial Regex Reference();
}
