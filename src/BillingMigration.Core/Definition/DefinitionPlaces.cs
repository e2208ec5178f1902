using System.Globalization;

namespace BillingMigration.Definition;

/// <summary>On which line of its file each part of a definition stands. It is no part of what the definition says: any two are equal.</summary>
internal sealed class DefinitionPlaces(DefinitionNode root) : IEquatable<DefinitionPlaces>
{
    private readonly Lazy<Dictionary<string, int>> lines = new(() =>
    {
        var found = new Dictionary<string, int>(StringComparer.Ordinal);
        var open = new Stack<DefinitionNode>([root]);
        while (open.TryPop(out var node))
        {
            found[node.Path] = node.Line;
            foreach (var child in node.Items.Concat(node.Properties.Select(p => p.Value)))
            {
                open.Push(child);
            }
        }

        return found;
    });

    /// <returns>The path with its line, or with that of the nearest part above it that stands in the file.</returns>
    public string Of(string path)
    {
        for (var at = path; at.Length > 0; at = at[..Math.Max(0, at.LastIndexOfAny(['.', '[']))])
        {
            if (lines.Value.TryGetValue(at, out var line))
            {
                return $"{path} (line {line.ToString(CultureInfo.InvariantCulture)})";
            }
        }

        return path;
    }

    public bool Equals(DefinitionPlaces? other) => other is not null;

    public override bool Equals(object? obj) => Equals(obj as DefinitionPlaces);

    public override int GetHashCode() => 0;
}
