using System.Management.Automation;
using System.Management.Automation.Language;

namespace BillingMigration.PowerShell.Tests;

public sealed class HelpTests : IDisposable
{
    private readonly ModuleShell shell = new();

    public static TheoryData<string> Cmdlets
    {
        get
        {
            using var shell = new ModuleShell();
            return [.. shell.Run("Get-Command -Module BillingMigration").Select(c => ((CommandInfo)c.BaseObject).Name)];
        }
    }

    public void Dispose() => shell.Dispose();

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void Get_Help_finds_synopsis_description_and_two_examples(string cmdlet)
    {
        Assert.NotEqual("", Text(cmdlet, "$help.Synopsis"));
        Assert.DoesNotContain("[<CommonParameters>]", Text(cmdlet, "$help.Synopsis"), StringComparison.Ordinal);
        Assert.NotEqual("", Text(cmdlet, "$help.description.Text"));
        Assert.True(Examples(cmdlet).Count >= 2);
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void Every_parameter_is_described(string cmdlet)
    {
        var command = (CommandInfo)shell.Run("param($name) Get-Command $name", cmdlet)[0].BaseObject;
        foreach (var parameter in command.Parameters.Keys.Where(p => !Cmdlet.CommonParameters.Contains(p)))
        {
            var text = string.Join(
                " ", shell.Run("param($name, $parameter) (Get-Help $name -Parameter $parameter).description.Text", cmdlet, parameter).Select(o => o.ToString()));
            Assert.True(text.Length > 10, $"{cmdlet} -{parameter} has no description.");
        }
    }

    /// <summary>An example is for copying: it parses, and each command of this module in it binds.</summary>
    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void Every_example_parses_and_uses_parameters_that_exist(string cmdlet)
    {
        foreach (var example in Examples(cmdlet))
        {
            var script = Parser.ParseInput(example, out _, out var mistakes);
            Assert.Empty(mistakes);
            var commands = script.FindAll(a => a is CommandAst, true).Cast<CommandAst>().ToList();
            Assert.Contains(commands, c => c.GetCommandName() == cmdlet);
            foreach (var command in commands.Where(c => c.GetCommandName().Contains("Billing", StringComparison.Ordinal)))
            {
                var info = (CommandInfo)Assert.Single(shell.Run("param($name) Get-Command $name -Module BillingMigration", command.GetCommandName())).BaseObject;
                Assert.All(command.CommandElements.OfType<CommandParameterAst>(), p => Assert.Contains(p.ParameterName, info.Parameters.Keys));
            }
        }
    }

    [Fact]
    public void About_the_module_names_every_command_in_80_columns()
    {
        var about = string.Join('\n', shell.Run("Get-Help about_BillingMigration").Select(o => o.ToString()));
        Assert.All(ModuleImportTests.Cmdlets, cmdlet => Assert.Contains(cmdlet, about, StringComparison.Ordinal));
        Assert.All(about.Split('\n'), line => Assert.True(line.TrimEnd().Length <= 80, line));
    }

    [Fact]
    public void Help_is_found_after_a_second_import_too()
    {
        shell.Run("param($path) Import-Module $path -Force", ModuleUnderTest.Manifest);
        Assert.True(Examples("Export-BillingSnapshot").Count >= 2);
    }

    private List<string> Examples(string cmdlet) =>
        [.. shell.Run("param($name) $help = Get-Help $name -Full; $help.examples.example.ForEach({ $_.code })", cmdlet).Select(o => o.ToString())];

    private string Text(string cmdlet, string expression) =>
        string.Join(" ", shell.Run($"param($name) $help = Get-Help $name -Full; {expression}", cmdlet).Select(o => o?.ToString())).Trim();
}
