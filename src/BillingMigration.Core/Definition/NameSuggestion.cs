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

    /// <summary>Levenshtein's distance, two neighbours swapped counting as one step (optimal string alignment).</summary>
    private static int Distance(string a, string b)
    {
        var steps = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    steps[i, j] = i + j;
                    continue;
                }

                steps[i, j] = Math.Min(Math.Min(steps[i - 1, j], steps[i, j - 1]) + 1, steps[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    steps[i, j] = Math.Min(steps[i, j], steps[i - 2, j - 2] + 1);
                }
            }
        }

        return steps[a.Length, b.Length];
    }
}
