using System.Globalization;

namespace BillingMigration.Host;

/// <summary>What to run: a script with its parameters, or a text.</summary>
internal sealed record CommandLine(string? Script, string? Text, IReadOnlyList<KeyValuePair<string?, object?>> Arguments)
{
    /// <summary>Null when the arguments make no sense.</summary>
    public static CommandLine? Parse(string[] args) => args switch
    {
        ["-Command" or "-command" or "-c", .. var words] when words.Length > 0 => new CommandLine(null, string.Join(' ', words), []),
        ["-File" or "-file" or "-f", var script, .. var rest] => new CommandLine(Path.GetFullPath(script), null, Named(rest)),
        [var script, .. var rest] when !IsName(script) => new CommandLine(Path.GetFullPath(script), null, Named(rest)),
        _ => null,
    };

    /// <summary><c>-Name value</c>, <c>-Name:value</c>, <c>-Switch</c> (before another name or at the end), or a positional value.</summary>
    private static List<KeyValuePair<string?, object?>> Named(string[] args)
    {
        var named = new List<KeyValuePair<string?, object?>>();
        for (var i = 0; i < args.Length; i++)
        {
            if (!IsName(args[i]))
            {
                named.Add(new(null, args[i]));
            }
            else if (args[i].IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
            {
                named.Add(new(args[i][1..colon], Value(args[i][(colon + 1)..])));
            }
            else if (i + 1 < args.Length && !IsName(args[i + 1]))
            {
                named.Add(new(args[i][1..], args[++i]));
            }
            else
            {
                named.Add(new(args[i][1..], true));
            }
        }

        return named;
    }

    private static bool IsName(string arg) =>
        arg.Length > 1 && arg[0] == '-' && !double.TryParse(arg, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    private static object Value(string text) => text.ToLowerInvariant() switch
    {
        "$true" => true,
        "$false" => false,
        _ => text,
    };
}
