namespace BillingMigration.Definition;

/// <summary>"Did you mean": the known name nearest to a mistyped one.</summary>
internal static class NameSuggestion
{
    /// <summary>The nearest candidate, or null when none is near.</summary>
    public static string? Nearest(string name, IEnumerable<string> candidates)
    {
        var best = candidates
            .Select(candidate => (candidate, distance: Distance(Normal(name), Normal(candidate))))
            .OrderBy(c => c.distance)
            .FirstOrDefault();
        return best.candidate is not null && best.distance <= Math.Max(1, Math.Min(name.Length, best.candidate.Length) / 3) ? best.candidate : null;
    }

    /// <summary><c>Did you mean 'x'?</c> when something is near, else the names there are.</summary>
    public static string Remedy(string name, IReadOnlyCollection<string> candidates, string kind) => Nearest(name, candidates) is { } nearest
        ? $"Did you mean '{nearest}'?"
        : candidates.Count == 0 ? $"There is no {kind} at all." : $"Known: {string.Join(", ", candidates.Take(20))}{(candidates.Count > 20 ? ", …" : string.Empty)}.";

    private static string Normal(string name) =>
        name.ToLowerInvariant().Replace("_", string.Empty, StringComparison.Ordinal).Replace("-", string.Empty, StringComparison.Ordinal);

    /// <summary>Levenshtein's distance.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
