using System.Management.Automation;
using System.Reflection;

namespace BillingMigration.PowerShell.Tests;

public sealed class CmdletShapeTests
{
    private static readonly string[] ReadOnlyVerbs = [VerbsCommon.Get, VerbsCommunications.Connect, VerbsCommunications.Disconnect, VerbsDiagnostic.Test, VerbsDiagnostic.Measure];

    public static TheoryData<string> Cmdlets => [.. Types.Select(t => t.Name)];

    private static IEnumerable<Type> Types => ModuleUnderTest.Cmdlets.GetExportedTypes().Where(t => t.GetCustomAttribute<CmdletAttribute>() is not null);

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_verb_is_approved_and_the_noun_singular(string type)
    {
        var (verb, noun) = Name(type);
        var approved = typeof(VerbsCommon).Assembly.GetExportedTypes()
            .Where(t => t.Namespace == typeof(VerbsCommon).Namespace && t.Name.StartsWith("Verbs", StringComparison.Ordinal))
            .SelectMany(t => t.GetFields(BindingFlags.Public | BindingFlags.Static))
            .Select(f => f.GetRawConstantValue() as string);
        Assert.Contains(verb, approved);
        // A stream of changes is never one: the only plural.
        Assert.False(noun.EndsWith('s') && noun != "BillingChanges", $"{noun} is a plural.");
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void A_cmdlet_that_changes_something_asks_ShouldProcess(string type)
    {
        var attribute = Find(type).GetCustomAttribute<CmdletAttribute>()!;
        // A policy is a text: it changes nothing until someone attaches it.
        Assert.Equal(!ReadOnlyVerbs.Contains(attribute.VerbName) && attribute.NounName != "MigrationPolicy", attribute.SupportsShouldProcess);
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void A_job_takes_its_session_from_the_pipeline_by_value_and_by_name(string type)
    {
        var (verb, _) = Name(type);
        if (verb is "Connect" or "New")
        {
            return;
        }

        var parameter = Find(type).GetProperty("Migration")!.GetCustomAttribute<ParameterAttribute>()!;
        Assert.True(parameter.ValueFromPipeline);
        Assert.True(parameter.ValueFromPipelineByPropertyName);
        Assert.False(parameter.Mandatory);
    }

    /// <summary>The AWS tools' own spelling is the one exception.</summary>
    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void No_secret_is_a_plain_string(string type)
    {
        var strings = Find(type).GetProperties().Where(p => p.PropertyType == typeof(string) && p.GetCustomAttribute<ParameterAttribute>() is not null);
        var secrets = strings.Select(p => p.Name).Where(n =>
            n.Contains("Password", StringComparison.OrdinalIgnoreCase) || n.Contains("Secret", StringComparison.OrdinalIgnoreCase));
        Assert.Equal(type == "ConnectBillingMigrationCommand" ? ["SecretKey"] : [], secrets);
    }

    private static (string Verb, string Noun) Name(string type)
    {
        var attribute = Find(type).GetCustomAttribute<CmdletAttribute>()!;
        return (attribute.VerbName, attribute.NounName);
    }

    private static Type Find(string type) => Types.Single(t => t.Name == type);
}
