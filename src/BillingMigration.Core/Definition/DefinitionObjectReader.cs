using System.Globalization;
using System.Text.Json;

namespace BillingMigration.Definition;

/// <summary>
/// Reads the properties of one object by its <see cref="DefinitionShape"/>. A value that is not usable is reported and read as null, so that
/// reading goes on and finds the next mistake.
/// </summary>
internal sealed class DefinitionObjectReader
{
    private static readonly string[] SecretWords =
        ["password", "passwd", "pwd", "passphrase", "secret", "accesskey", "privatekey", "apikey", "token", "credential", "connectionstring"];

    private static readonly string[] AccountWords = ["user", "username", "login", "account", "uid"];

    private readonly DefinitionNode node;
    private readonly DefinitionShape shape;
    private readonly DefinitionProblems problems;

    public DefinitionObjectReader(DefinitionNode node, DefinitionShape shape, DefinitionProblems problems)
    {
        (this.node, this.shape, this.problems) = (node, shape, problems);
        if (!node.IsObject)
        {
            problems.Add(node, $"{Capital(shape.Name)} is {node.KindName}; it must be an object.", "Write { … } with its properties.");
            return;
        }

        ReportDuplicates(node, problems);
        foreach (var (name, value) in node.Properties)
        {
            if (shape.Find(name) is null)
            {
                ReportUnknown(name, value);
            }
        }

        foreach (var property in shape.Properties.Where(p => p.Required && node.Property(p.Name) is null))
        {
            problems.Add(node, $"{Capital(shape.Name)} has no '{property.Name}'.", $"Add \"{property.Name}\".");
        }
    }

    public DefinitionNode Node => node;

    public DefinitionNode? Value(string name)
    {
        _ = shape.Find(name) ?? throw new ArgumentException($"'{name}' is not in the shape of {shape.Name}.", nameof(name));
        return node.Property(name);
    }

    /// <summary>Node of the property, or the object itself when it is not there: for placing a problem.</summary>
    public DefinitionNode Place(string name) => Value(name) ?? node;

    public string? Text(string name) => Value(name) is { } value ? TextOf(value) : null;

    public string? TextOf(DefinitionNode value)
    {
        if (!value.IsString)
        {
            WrongType(value, "a string", "Write it in double quotes.");
            return null;
        }

        if (string.IsNullOrWhiteSpace(value.Text))
        {
            problems.Add(value, "The text is empty.", "Fill it in, or leave the property out if it is optional.");
            return null;
        }

        return value.Text;
    }

    public bool? Flag(string name)
    {
        if (Value(name) is not { } value)
        {
            return null;
        }

        if (value.Kind is JsonTokenType.True or JsonTokenType.False)
        {
            return value.Kind == JsonTokenType.True;
        }

        WrongType(value, "true or false", "Write true or false without quotes.");
        return null;
    }

    public long? Integer(string name, string what, long least, long most = long.MaxValue)
    {
        if (Number(name) is not { } value)
        {
            return null;
        }

        if (long.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
        {
            return number;
        }

        var range = most == long.MaxValue ? $"from {Invariant(least)}" : $"from {Invariant(least)} to {Invariant(most)}";
        problems.Add(value, $"{value.Text} is not a possible {what}.", $"Write a whole number {range}.");
        return null;
    }

    /// <summary>A number above zero.</summary>
    public double? Rate(string name)
    {
        if (Number(name) is not { } value)
        {
            return null;
        }

        if (double.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) && number > 0)
        {
            return number;
        }

        problems.Add(value, $"The rate {value.Text} is not possible.", "Write a number above 0, or leave the property out for no limit.");
        return null;
    }

    public decimal? Price(string name)
    {
        if (Number(name) is not { } value)
        {
            return null;
        }

        if (decimal.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= 0)
        {
            return number;
        }

        problems.Add(value, $"The price {value.Text} is not possible.", "Write US dollars, 0 or more.");
        return null;
    }

    public T? OneOf<T>(string name)
        where T : struct, Enum
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        var names = Enum.GetNames<T>();
        if (names.Contains(text, StringComparer.Ordinal))
        {
            return Enum.Parse<T>(text);
        }

        var nearest = NameSuggestion.Nearest(text, names);
        problems.Add(
            Value(name)!, $"'{text}' is not a possible {name}.", $"{(nearest is null ? string.Empty : $"Did you mean '{nearest}'? ")}Write one of {string.Join(", ", names)}.");
        return null;
    }

    public DefinitionObjectReader? Object(string name)
    {
        var child = shape.Find(name)?.Child;
        return Value(name) is { } value && child is not null ? new DefinitionObjectReader(value, child, problems) : null;
    }

    /// <summary>The objects of a list.</summary>
    public IEnumerable<DefinitionObjectReader> Objects(string name) =>
        Items(name).Select(item => new DefinitionObjectReader(item, shape.Find(name)!.Child!, problems));

    /// <summary>The objects of a map, by their names; a name that stands twice is reported and comes once.</summary>
    public IEnumerable<KeyValuePair<string, DefinitionObjectReader>> NamedObjects(string name) =>
        Entries(name).Select(entry => new KeyValuePair<string, DefinitionObjectReader>(
            entry.Key, new DefinitionObjectReader(entry.Value, shape.Find(name)!.Child!, problems)));

    public IReadOnlyList<DefinitionNode> Items(string name) => Value(name) is { } value ? ItemsOf(value) : [];

    public IReadOnlyList<DefinitionNode> ItemsOf(DefinitionNode value)
    {
        if (value.IsArray)
        {
            return value.Items;
        }

        WrongType(value, "a list", "Write [ … ].");
        return [];
    }

    public IEnumerable<KeyValuePair<string, DefinitionNode>> Entries(string name)
    {
        if (Value(name) is not { } value)
        {
            return [];
        }

        if (!value.IsObject)
        {
            WrongType(value, "an object", "Write { … }.");
            return [];
        }

        ReportDuplicates(value, problems);
        foreach (var (key, entry) in value.Properties.Where(p => string.IsNullOrWhiteSpace(p.Key)))
        {
            problems.Add(entry, $"A name in '{name}' is empty.", "Give it a name.");
        }

        return value.Properties.Where(p => !string.IsNullOrWhiteSpace(p.Key)).DistinctBy(p => p.Key, StringComparer.OrdinalIgnoreCase);
    }

    private static void ReportDuplicates(DefinitionNode node, DefinitionProblems problems)
    {
        foreach (var twice in node.Properties.GroupBy(p => p.Key, StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1 && g.Key.Length > 0))
        {
            problems.Add(twice.Last().Value, $"'{twice.Last().Key}' stands {twice.Count()} times in the same object.", "Keep one of them.");
        }
    }

    internal static bool LooksSecret(string name)
    {
        var letters = Letters(name);
        return SecretWords.Any(word => letters.Contains(word, StringComparison.Ordinal)) || letters is "pass" or "secretkey" or "sessionkey";
    }

    internal const string SecretRemedy =
        "Remove it, and change the secret if the file was shared: user name and password come with -SourceCredential, AWS credentials with -ProfileName or -Credential.";

    private void ReportUnknown(string name, DefinitionNode value)
    {
        if (LooksSecret(name))
        {
            problems.Add(value, $"'{name}' looks like a secret; the definition holds none.", SecretRemedy);
        }
        else if (shape.Name is "source" && AccountWords.Contains(Letters(name)))
        {
            problems.Add(value, $"'{name}' does not belong into the definition.", "Remove it: user name and password come with -SourceCredential.");
        }
        else
        {
            var known = shape.Properties.Select(p => p.Name).ToList();
            problems.Add(value, $"The property '{name}' is unknown in {shape.Name}.", NameSuggestion.Remedy(name, known, "property"));
        }
    }

    private DefinitionNode? Number(string name)
    {
        if (Value(name) is not { } value)
        {
            return null;
        }

        if (value.Kind == JsonTokenType.Number)
        {
            return value;
        }

        WrongType(value, "a number", "Write digits without quotes.");
        return null;
    }

    private void WrongType(DefinitionNode value, string expected, string remedy) => problems.Add(
        value, $"This is {value.KindName}; it must be {expected}.", value.Kind == JsonTokenType.Null ? "Fill it in, or leave the property out if it is optional." : remedy);

    private static string Letters(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    private static string Invariant(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Capital(string name) => char.ToUpperInvariant(name[0]) + name[1..];
}
