namespace BillingMigration.CollationTables;

/// <summary>A weight of a text: the units of its levels, one string of UTF-16 units each.</summary>
internal readonly record struct Weight(string First, string Second, string Third)
{
    public static Weight None { get; } = new("", "", "");
}

/// <summary>
/// Classes of code points with the same weight. The smallest of a class stands for it; a weight that is made of others one after the other becomes theirs.
/// </summary>
internal sealed class WeightClasses
{
    private readonly Dictionary<Weight, int> smallest = [];
    private readonly Dictionary<Weight, int[]?> made = [];

    public WeightClasses(IEnumerable<KeyValuePair<int, Weight>> weights)
    {
        foreach (var (point, weight) in weights.OrderBy(w => w.Key))
        {
            smallest.TryAdd(weight, point);
        }

        smallest.Remove(Weight.None);
    }

    /// <summary>The text that stands for a weight; null: no code points have it.</summary>
    public int[]? TextOf(Weight weight) =>
        weight == Weight.None ? []
        : MadeOfOthers(weight) ?? (smallest.TryGetValue(weight, out var own) ? [own] : null);

    private int[]? MadeOfOthers(Weight weight)
    {
        if (made.TryGetValue(weight, out var known))
        {
            return known;
        }

        made[weight] = null;
        return made[weight] = FindParts(weight);
    }

    /// <summary>The shortest first part whose rest is made of code points too.</summary>
    private int[]? FindParts(Weight weight)
    {
        for (var second = 0; second <= weight.Second.Length; second++)
        {
            for (var first = 0; first <= weight.First.Length; first++)
            {
                var third = weight.Third.Length == 0 ? 0 : weight.Second.Length == 0 ? first : second;
                if (first + second + third == 0 || third > weight.Third.Length || (first == weight.First.Length && second == weight.Second.Length && third == weight.Third.Length))
                {
                    continue;
                }

                var head = new Weight(weight.First[..first], weight.Second[..second], weight.Third[..third]);
                if (smallest.TryGetValue(head, out var own)
                    && TextOf(new Weight(weight.First[first..], weight.Second[second..], weight.Third[third..])) is { } rest)
                {
                    return [.. MadeOfOthers(head) ?? [own], .. rest];
                }
            }
        }

        return null;
    }
}
