using System.Management.Automation;
using System.Reflection;

namespace BillingMigration.HelpBuilder;

/// <summary>A cmdlet as its attributes declare it: what the syntax section of the help is made of.</summary>
internal sealed class CmdletShape(Type type)
{
    private readonly CmdletAttribute attribute = type.GetCustomAttribute<CmdletAttribute>()!;

    public string Verb => attribute.VerbName;

    public string Noun => attribute.NounName;

    public string Name => $"{Verb}-{Noun}";

    public IReadOnlyList<ParameterShape> Parameters { get; } = [.. Declared(type)];

    /// <summary>The parameter sets, the default one first; without any, one that is called <c>__AllParameterSets</c>.</summary>
    public IReadOnlyList<string> ParameterSets
    {
        get
        {
            var named = Parameters.SelectMany(p => p.Sets.Keys).Where(s => s != ParameterAttribute.AllParameterSets).Distinct();
            var sets = named.OrderByDescending(s => s == attribute.DefaultParameterSetName).ToList();
            return sets.Count == 0 ? [ParameterAttribute.AllParameterSets] : sets;
        }
    }

    public static IEnumerable<CmdletShape> In(Assembly assembly) =>
        assembly.GetExportedTypes().Where(t => t.GetCustomAttribute<CmdletAttribute>() is not null).Select(t => new CmdletShape(t));

    private static IEnumerable<ParameterShape> Declared(Type type)
    {
        var defaults = Activator.CreateInstance(type);
        foreach (var property in type.GetProperties(BindingFlags.Instance | BindingFlags.Public))
        {
            var sets = property.GetCustomAttributes<ParameterAttribute>().ToDictionary(a => a.ParameterSetName);
            if (sets.Count > 0)
            {
                var aliases = property.GetCustomAttribute<AliasAttribute>()?.AliasNames ?? [];
                yield return new ParameterShape(property.Name, property.PropertyType, sets, [.. aliases], Default(property.GetValue(defaults)));
            }
        }

        var all = new Dictionary<string, ParameterAttribute> { [ParameterAttribute.AllParameterSets] = new() };
        if (type.GetCustomAttribute<CmdletAttribute>()!.SupportsPaging)
        {
            yield return new ParameterShape("First", typeof(ulong), all, [], "All");
            yield return new ParameterShape("Skip", typeof(ulong), all, [], "0");
            yield return new ParameterShape("IncludeTotalCount", typeof(SwitchParameter), all, [], "False");
        }

        if (type.GetCustomAttribute<CmdletAttribute>()!.SupportsShouldProcess)
        {
            yield return new ParameterShape("WhatIf", typeof(SwitchParameter), all, ["wi"], "False");
            yield return new ParameterShape("Confirm", typeof(SwitchParameter), all, ["cf"], "False");
        }
    }

    private static string Default(object? value) => value switch
    {
        null or "" or Array { Length: 0 } => "None",
        SwitchParameter => "False",
        string[] several => string.Join(", ", several),
        _ => Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!,
    };
}

internal sealed record ParameterShape(
    string Name, Type Type, IReadOnlyDictionary<string, ParameterAttribute> Sets, IReadOnlyList<string> Aliases, string Default)
{
    public bool IsSwitch => Type == typeof(SwitchParameter);

    public string TypeName => (Nullable.GetUnderlyingType(Type) ?? Type).Name;

    public ParameterAttribute? In(string set) =>
        Sets.TryGetValue(set, out var own) ? own : Sets.GetValueOrDefault(ParameterAttribute.AllParameterSets);
}
